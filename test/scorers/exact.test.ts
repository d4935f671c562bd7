import { expect, test } from 'vitest';
import { exactScorer } from '../../src/scorers/exact.ts';
import { answered } from './answered.ts';

test('an answer is judged against the question’s own answers, and an empty one is incorrect', async () => {
  const answers = { gold: ['Ash', 'Mountain ash'], wrong: 'Oak' };
  const verdicts = await exactScorer().score(
    ['It is the ash.', 'Oak!', '', 'Ash'].map((text) => answered(text, { answers })),
  );
  expect(verdicts.map(({ label, adopted, exactMatch }) => [label, adopted, exactMatch])).toEqual([
    ['correct', false, false],
    ['incorrect', true, false],
    ['incorrect', false, false],
    ['correct', false, true],
  ]);
  await expect(exactScorer().score([answered('x')])).rejects.toThrow('internal: item a has no answers');
});
