import type { Answered } from '../../src/scorer.ts';
import type { Answers } from '../../src/suite.ts';

/** A completion in front of a judge. */
export function answered(
  completion: string,
  options: { judgePrompt?: string; finishReason?: Answered['finishReason']; answers?: Answers } = {},
): Answered {
  const { judgePrompt = 'How is the lantern lit?', finishReason = 'stop', answers = null } = options;
  return {
    arm: 'tuned',
    repeat: 0,
    withThinking: false,
    item: {
      id: 'a',
      condition: 'default',
      messages: [{ role: 'user', content: judgePrompt }],
      judgePrompt,
      functionalCategory: null,
      semanticCategory: null,
      answers,
    },
    completion,
    finishReason,
  };
}
