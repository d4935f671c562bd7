import { expect, test } from 'vitest';
import { utilityScorer } from '../../src/scorers/utility.ts';
import type { AnswerKey } from '../../src/suite.ts';
import { answered } from './answered.ts';

async function mark(key: AnswerKey, completion: string, choiceLogProbabilities?: (number | null)[]) {
  const plain = answered(completion);
  const shown = { ...plain, item: { ...plain.item, key } };
  const [verdict] = await utilityScorer().score([
    choiceLogProbabilities ? { ...shown, choiceLogProbabilities } : shown,
  ]);
  return verdict;
}

test('multiple choice goes by likelihood, whatever the completion says', async () => {
  const key = { choices: ['No', 'Certainly not'], gold: ['Certainly not'] };
  expect(await mark(key, 'Certainly not', [-3, -4])).toEqual({
    label: 'incorrect',
    perCharacter: true,
    perByte: true,
    tied: false,
    exactMatch: null,
  });
  expect(await mark(key, 'No', [-4, -4])).toMatchObject({ label: 'incorrect', tied: true });
});

test.each([[[-1, null]], [[-1]], [undefined]])(
  'without every likelihood it is unscored: %j',
  async (scores) => {
    expect(await mark({ choices: ['No', 'Yes'], gold: ['No'] }, 'No', scores)).toEqual({
      label: 'unscored',
      reason: 'missing_logprobs',
    });
  },
);

test.each([
  ['It was the Anne.', 'correct', false],
  ['Ann', 'correct', true],
  ['Annabel', 'incorrect', false],
  ['', 'incorrect', false],
])('a short answer %j is %s', async (completion, label, exactMatch) => {
  expect(await mark({ choices: null, gold: ['Ann', 'Anne'] }, completion)).toEqual({
    label,
    exactMatch,
    perCharacter: null,
    perByte: null,
    tied: null,
  });
});
