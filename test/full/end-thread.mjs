/**
 * Read by `node --import` before the program: ends the engine's thread as HOW says (`exit`, `memory`), a little after
 * it was asked for METHOD the NTH time.
 */
import { isMainThread, parentPort } from 'node:worker_threads';

const { HOW, METHOD, NTH } = process.env;
const hogs = [];
const end = {
  exit: () => process.exit(7),
  memory: () => {
    for (;;) hogs.push(Array.from({ length: 1000 }, (_, i) => ({ i })));
  },
}[HOW];
let calls = 0;

if (!isMainThread) {
  const on = parentPort.on.bind(parentPort);
  parentPort.on = (name, listener) =>
    on(name, (message) => {
      if (message?.method === METHOD && ++calls === Number(NTH)) setTimeout(end, 50);
      listener(message);
    });
}
