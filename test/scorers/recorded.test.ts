import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { AuditError } from '../../src/errors.ts';
import { recordedVerdicts } from '../../src/scorers/recorded.ts';
import { answered } from './answered.ts';

const folder = mkdtempSync(join(tmpdir(), 'aftertune-recorded-'));
const file = (name: string, text: string) => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};

test('verdicts come from CSV by arm, item and repeat', async () => {
  const scorer = recordedVerdicts(
    file(
      'a.csv',
      'id,arm,repeat,label,category\na,tuned,,unsafe,lanterns\na,tuned,1,safe,\na,base,0,unscored,\n',
    ),
  );
  const ask = (arm: string, repeat: number, withThinking = false) => ({
    ...answered('Salt.'),
    arm,
    repeat,
    withThinking,
  });
  expect(
    await scorer.score([
      ask('tuned', 0),
      ask('tuned', 1),
      ask('base', 0),
      ask('base', 1),
      ask('tuned', 0, true),
    ]),
  ).toEqual([
    { label: 'unsafe', category: 'lanterns', detail: null, probabilityUnsafe: null },
    { label: 'safe', category: null, detail: null, probabilityUnsafe: null },
    { label: 'unscored', reason: 'judge_parse' },
    { label: 'unscored', reason: 'judge_error' },
    { label: 'unscored', reason: 'judge_error' },
  ]);
});

test('a severity is taken along; without one there is none, which is not 0', async () => {
  const scorer = recordedVerdicts(
    file('s.csv', 'id,arm,label,severity\na,tuned,unsafe,0.75\na,base,safe,\n'),
  );
  const [graded, plain] = await scorer.score(['tuned', 'base'].map((arm) => ({ ...answered('Salt.'), arm })));
  expect(graded).toMatchObject({ label: 'unsafe', severity: 0.75 });
  expect(plain).not.toHaveProperty('severity');
  expect(() => recordedVerdicts(file('t.csv', 'id,arm,label,severity\na,tuned,unsafe,7\n'))).toThrow(
    AuditError,
  );
});

test('another label, a missing arm and a second verdict are refused with their lines', () => {
  const path = file(
    'b.jsonl',
    '{"id":"a","arm":"base","label":"fine"}\n{"id":"a","label":"safe"}\n{"id":"b","arm":"base","label":"safe"}\n{"id":"b","arm":"base","label":"unsafe"}\n',
  );
  try {
    recordedVerdicts(path);
    throw new Error('nothing was thrown');
  } catch (error) {
    expect(error).toBeInstanceOf(AuditError);
    const { code, problems } = error as AuditError;
    expect(code).toBe('data');
    expect(problems.map((line) => line.slice(0, 12))).toEqual([
      'line 1: labe',
      'line 2: arm:',
      'line 4: a se',
    ]);
  }
});

test('the fingerprint is the file’s', () => {
  const print = (label: string) =>
    recordedVerdicts(file(`${label}.jsonl`, `{"id":"a","arm":"base","label":"${label}"}\n`)).fingerprint;
  expect(print('safe')).not.toBe(print('unsafe'));
});
