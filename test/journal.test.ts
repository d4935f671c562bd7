import { appendFileSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { openJournal, readJournal, storedJournal } from '../src/journal.ts';
import { auditErrorOf } from './audit-error.ts';
import { temporaryFile, temporaryFolder } from './temporary-folder.ts';

const line = z.object({ batchKey: z.string(), text: z.string() });
const lines = (batchKey: string, ...texts: readonly string[]) => texts.map((text) => ({ batchKey, text }));
const path = () => join(temporaryFolder(), 'lines.jsonl');

test('what was flushed is there when the journal is opened again, batch by batch', () => {
  const file = path();
  const journal = openJournal(file, line);
  journal.append(lines('a', 'one', 'two\nlines'));
  journal.append(lines('b', 'three'));
  journal.flush();
  const again = readJournal(file, line);
  expect(again).toEqual([...lines('a', 'one', 'two\nlines'), ...lines('b', 'three')]);
  journal.close();
  const reopened = openJournal(file, line);
  expect(reopened.batch('a')).toEqual(lines('a', 'one', 'two\nlines'));
  expect(reopened.batch('none')).toEqual([]);
  reopened.close();
  expect(statSync(file).mode & 0o777).toBe(0o600);
});

test('lines are in the file at once: a process killed before the next fsync loses none', () => {
  const file = path();
  const journal = openJournal(file, line);
  journal.append(lines('a', 'one'));
  expect(readJournal(file, line)).toHaveLength(1);
  journal.append(lines('b', ...Array.from({ length: 256 }, String)));
  expect(readJournal(file, line)).toHaveLength(257);
  journal.close();
});

test('wherever the file is cut, the whole lines before the cut are kept and the rest is dropped', () => {
  const file = path();
  const all = lines('', 'é', '');
  const journal = openJournal(file, line);
  journal.append(all);
  journal.close();
  const whole = readFileSync(file);
  for (let length = 0; length <= whole.length; length++) {
    writeFileSync(file, whole.subarray(0, length));
    const expected = whole.subarray(0, length).filter((byte) => byte === 10).length;
    const reopened = openJournal(file, line);
    expect(reopened.records()).toEqual(all.slice(0, expected));
    reopened.append(all.slice(expected));
    reopened.close();
    expect(readFileSync(file).equals(whole)).toBe(true);
  }
});

test('a line of another version is refused by its name', async () => {
  const versioned = z.object({ schema: z.literal('x/line@1'), batchKey: z.string() });
  const file = temporaryFile('lines.jsonl', '{"schema":"x/line@2","batchKey":"a"}\n');
  expect((await auditErrorOf(() => openJournal(file, versioned))).message).toBe(
    `${file}: line 1 is a x/line@2, which this version does not read`,
  );
});

test('a damaged line before the last is refused with its number, and the file is left alone', async () => {
  const file = path();
  writeFileSync(file, '{"batchKey":"a","text":"1"}\n{"batchKey":"a","te\n{"batchKey":"a","text":"3"}\n');
  const before = readFileSync(file, 'utf8');
  const error = await auditErrorOf(() => openJournal(file, line));
  expect(error).toEqual({
    code: 'store',
    message: `${file}: line 2 is damaged: is not JSON`,
    problems: [],
    hint: 'restore the file from a copy, or start over with --fresh or another --out',
  });
  expect(readFileSync(file, 'utf8')).toBe(before);
  writeFileSync(file, '{"batchKey":"a"}\n');
  expect((await auditErrorOf(() => openJournal(file, line))).message).toMatch(/line 1 is damaged: text: /);
});

test('retain rewrites the file without the dropped lines, and appending goes on behind them', () => {
  const file = path();
  const journal = openJournal(file, line);
  journal.append([...lines('a', '1'), ...lines('b', '2'), ...lines('a', '3')]);
  journal.retain(({ batchKey }) => batchKey === 'a');
  journal.append(lines('c', '4'));
  journal.close();
  expect(readJournal(file, line)).toEqual([...lines('a', '1', '3'), ...lines('c', '4')]);
});

test('an arm’s part is counted without being read, and comes in any order that is asked for', () => {
  const ofArm = z.object({ batchKey: z.string(), arm: z.string(), n: z.number(), failed: z.boolean() });
  const file = path();
  const made = [3, 1, 2].map((n) => ({ batchKey: `k${n}`, arm: n === 1 ? 'a' : 'b', n, failed: n === 2 }));
  const check = (journal: ReturnType<typeof openJournal<(typeof made)[number]>>) => {
    expect([journal.count({ arm: 'a' }), journal.count({ arm: 'b' }), journal.count({ arm: 'c' })]).toEqual([
      1, 2, 0,
    ]);
    expect(
      [
        ...journal.ordered(
          { arm: 'b' },
          () =>
            ({ n }) =>
              n,
        ),
      ].map(({ n }) => n),
    ).toEqual([2, 3]);
    expect(
      journal
        .ordered(
          { arm: 'b' },
          () =>
            ({ n }) =>
              -n,
        )
        .slice(0, 1),
    ).toEqual([made[0]]);
    expect([journal.finished('k3'), journal.finished('k2'), journal.finished('k9')]).toEqual([1, 0, 0]);
    expect([...journal]).toEqual(made);
  };
  const journal = openJournal(file, ofArm, ({ failed }) => failed);
  journal.append(made);
  check(journal);
  journal.close();
  const again = openJournal(file, ofArm, ({ failed }) => failed);
  check(again);
  const view = again.ordered(
    { arm: 'b' },
    () =>
      ({ n }) =>
        n,
  );
  expect([...view]).toHaveLength(2);
  again.retain(({ failed }) => !failed);
  expect([view.length, ...view]).toEqual([1, made[0]]);
  expect([again.count({ arm: 'b' }), again.batch('k2'), again.batch('k3')]).toEqual([1, [], [made[0]]]);
  again.append([{ ...made[2]!, failed: false }]);
  expect(again.finished('k2')).toBe(1);
  again.close();
});

test('more lines than the first tables hold are found again by their batch', () => {
  const journal = openJournal(path(), line);
  for (let at = 0; at < 5000; at++) journal.append(lines(`batch ${at % 2500}`, `${at}`));
  for (const at of [0, 1023, 1024, 2047, 2499])
    expect(journal.batch(`batch ${at}`)).toEqual(lines(`batch ${at}`, `${at}`, `${at + 2500}`));
  journal.close();
});

test('any texts survive, through any pattern of closing and tearing', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.string({ unit: 'grapheme' }), fc.boolean()), { maxLength: 12 }),
      (steps) => {
        const file = path();
        let journal = openJournal(file, line);
        for (const [text, tear] of steps) {
          journal.append(lines('a', text));
          if (!tear) continue;
          journal.close();
          appendFileSync(file, '{"batchKey":"a","text":"half');
          journal = openJournal(file, line);
        }
        journal.close();
        expect(readJournal(file, line)).toEqual(lines('a', ...steps.map(([text]) => text)));
      },
    ),
    { numRuns: 12 },
  );
  const file = path();
  const journal = openJournal(file, line);
  journal.append(lines('a', 'x'));
  journal.close();
  truncateSync(file, 3);
  expect(readJournal(file, line)).toEqual([]);
});

test('a journal that is only read is checked at once, and read from the file each time', () => {
  const file = path();
  const journal = openJournal(file, line);
  journal.append(lines('a', '1', '2'));
  journal.close();
  const stored = storedJournal(file, line);
  // What comes later is another reader's.
  appendFileSync(file, `${JSON.stringify({ batchKey: 'b', text: '3' })}\n{"torn`);
  for (const _ of [1, 2]) expect([...stored]).toEqual(lines('a', '1', '2'));
  expect([...storedJournal(file, line)]).toHaveLength(3);
  appendFileSync(file, '\n');
  expect(() => storedJournal(file, line)).toThrow('line 4 is damaged');
  truncateSync(file, 40);
  expect(() => [...stored]).toThrow('was taken away or cut while it was read');
});
