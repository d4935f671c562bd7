/**
 * Reads damaged files, one after the other, in a process that a bug may take down:
 *   node child.mjs TARGET SEED CASES FOLDER
 * Prints one JSON line: cases, how many were read, refused (by code), the slowest in ms, the largest memory in MiB.
 * A case that is neither read nor refused with a message ends it: its number and its error are printed.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AuditError } from '../../../dist/errors.js';
import { createRandom } from '../../../dist/random.js';
import { prepare, targets } from './targets.mjs';

const [, , name, seed, cases, folder] = process.argv;
const target = targets[name];
prepare(target, folder);
const whole = new Map(target.files.map((file) => [file, readFileSync(join(folder, file))]));
await target.read(folder); // what is whole is read
const told = { target: name, cases: Number(cases), read: 0, refused: {}, slowestMs: 0, slowest: -1 };

for (let at = 0; at < Number(cases); at++) {
  const random = createRandom('fuzz', name, seed, at);
  const file = random.pick(target.files);
  writeFileSync(join(folder, file), target.damage(file, whole.get(file), random));
  const started = performance.now();
  process.send?.(at);
  try {
    await target.read(folder);
    told.read++;
  } catch (error) {
    if (!(error instanceof AuditError) || !error.message.trim()) {
      console.log(
        JSON.stringify({ ...told, failed: at, file, error: String(error?.stack ?? error).slice(0, 2000) }),
      );
      process.exit(1);
    }
    told.refused[error.code] = (told.refused[error.code] ?? 0) + 1;
  }
  const tookMs = performance.now() - started;
  if (tookMs > told.slowestMs) Object.assign(told, { slowestMs: tookMs, slowest: at });
  writeFileSync(join(folder, file), whole.get(file));
}
console.log(JSON.stringify({ ...told, memoryMiB: Math.round(process.resourceUsage().maxRSS / 1024) }));
process.disconnect?.();
