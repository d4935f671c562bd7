import { describe, expect, it } from 'vitest';
import { type AnswerForm, toGeneration } from '../../src/lm/answer.ts';
import { loadChatTokenizer } from '../../src/lm/tokenizer.ts';
import { parity } from './open-decoder.ts';

const tokenizer = loadChatTokenizer(`${parity}tied`);
const answer = (text: string, form: Partial<AnswerForm>) =>
  toGeneration(
    { tokenizer, stop: ['\n\n'], prefill: '', promptTokens: 1, ...form },
    tokenizer.encode(text).map((id) => ({ id, logProbability: -1, topLogProbabilities: [-1] })),
  );

describe('where a stop string ends an answer', () => {
  const thought = '<think>One.\n\nTwo.</think>Yes.\n\nAnd more.';

  it('at its first place in the text', () => {
    expect(answer('Yes.\n\nNo.', {})).toMatchObject({ text: 'Yes.', finishReason: 'stop' });
  });

  it('never within what a model thinks aloud, whoever opened the tag', () => {
    expect(answer(thought, {}).text).toBe('<think>One.\n\nTwo.</think>Yes.');
    const rest = thought.slice('<think>'.length);
    expect(answer(rest, { thinks: true }).text).toBe('One.\n\nTwo.</think>Yes.');
    expect(answer('One.\n\nTwo', { thinks: true })).toMatchObject({
      text: 'One.\n\nTwo',
      finishReason: 'length',
    });
  });

  it('and a tag that does not come first is the answer’s own word', () => {
    expect(answer('It says <think>.\n\nNo.', {}).text).toBe('It says <think>.');
  });
});
