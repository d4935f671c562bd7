import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { progressLog, progressLogName } from '../src/progress-log.ts';
import { temporaryFolder } from './temporary-folder.ts';

const day = 86_400_000;

test.each([-day, day])('a clock that is set by %i ms does not stop the log', (shift) => {
  const folder = temporaryFolder();
  let now = Date.UTC(2026, 0, 1);
  const log = progressLog(folder, () => now);
  const tell = (done: number) =>
    log({ stage: 'generate', label: 'base harm', done, total: 9, unit: 'answers' });
  tell(0);
  now += 100;
  tell(1);
  now += shift;
  for (const done of [2, 3, 4]) {
    now += 300;
    tell(done);
  }
  const lines = readFileSync(join(folder, progressLogName), 'utf8').trim().split('\n');
  expect(lines.map((line) => JSON.parse(line).done)).toEqual([0, 2, 4]);
});
