import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type ChoiceLength, chooseBy, scoreChoices } from '../src/choices.ts';
import { ask } from '../src/conversation.ts';
import { packageRoot } from '../src/files.ts';
import { mockModel } from '../src/models/mock.ts';

interface Case {
  readonly choices: string[];
  readonly logProbabilities: number[];
  readonly gold: number | number[];
  /** acc, acc_norm, acc_bytes. */
  readonly right: [number, number, number];
}
const fixture = JSON.parse(readFileSync(join(packageRoot, 'test/fixtures/choices.json'), 'utf8')) as {
  cases: Case[];
};
const lengths: ChoiceLength[] = ['none', 'characters', 'bytes'];

test.each(fixture.cases)('as lm-evaluation-harness picks: $choices', (one) => {
  const gold = [one.gold].flat();
  const right = lengths.map((length) => {
    const { index } = chooseBy(length, one.choices, one.logProbabilities)!;
    return gold.includes(index) ? 1 : 0;
  });
  expect(right).toEqual(one.right);
});

test('the three ways differ, and of equal choices the first counts', () => {
  const picks = (texts: string[], scores: number[]) =>
    lengths.map((length) => chooseBy(length, texts, scores)!.index);
  expect(picks(['no', 'certainly not'], [-3, -4])).toEqual([0, 1, 1]);
  // Three characters of nine bytes.
  expect(picks(['日本語', 'abcd'], [-4, -5])).toEqual([0, 1, 0]);
  expect(chooseBy('none', ['a', 'b', 'c'], [-2, -1, -1])).toEqual({ index: 1, tied: true });
  expect(chooseBy('none', ['a', 'b', 'c'], [-2, -2, -1])).toEqual({ index: 2, tied: false });
});

test('a likelihood that is missing or no number chooses nothing: it may have been the best', async () => {
  expect(chooseBy('none', ['a', 'b'], [-1, null])).toBeNull();
  expect(chooseBy('none', ['a', 'b'], [-1])).toBeNull();
  expect(chooseBy('none', [], [])).toBeNull();
  const likelihood = (_: unknown, choice: string) => (choice === 'b' ? Number.NaN : -1);
  const model = mockModel({ answer: () => '', likelihood });
  expect(await scoreChoices(model, { messages: ask('?') }, ['a', 'b'])).toEqual([-1, null]);
});
