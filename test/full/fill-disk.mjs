/** Read by `node --import` before the program: the disk has ROOM bytes left, then no more, as a kernel says it. */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

let room = Number(process.env.ROOM);
const full = () => Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
const { writeSync, appendFileSync } = fs;
fs.writeSync = (descriptor, data, at = 0, length = data.length - at, position = null) => {
  if (descriptor <= 2) return writeSync(descriptor, data, at, length, position);
  if (room <= 0) throw full();
  const written = writeSync(descriptor, data, at, Math.min(length, room), position);
  room -= written;
  return written;
};
fs.appendFileSync = (path, data, options) => {
  if (room <= data.length) throw full();
  room -= data.length;
  appendFileSync(path, data, options);
};
syncBuiltinESMExports();
