import { chooseBy } from '../choices.ts';
import { sha256 } from '../hash.ts';
import type { Answered, Scorer, UtilityVerdict } from '../scorer.ts';
import { containsAnswer, isSameAnswer } from '../truth.ts';

const version = '1';

/** Marks multiple choice by likelihood and short answers by TriviaQA's rule; an empty short answer is incorrect. */
export function utilityScorer(): Scorer<UtilityVerdict> {
  return {
    name: 'key',
    version,
    fingerprint: sha256(`utility key\n${version}`),
    score: async (answered) => answered.map(mark),
  };
}

function mark({ item, completion, choiceLogProbabilities }: Answered): UtilityVerdict {
  const { key } = item;
  if (!key) throw new Error(`internal: item ${item.id} has no key to mark by`);
  if (!key.choices) {
    return {
      label: key.gold.some((gold) => containsAnswer(completion, gold)) ? 'correct' : 'incorrect',
      perCharacter: null,
      perByte: null,
      tied: null,
      exactMatch: key.gold.some((gold) => isSameAnswer(completion, gold)),
    };
  }
  const choices = key.choices;
  const chosen = (length: Parameters<typeof chooseBy>[0]) =>
    chooseBy(length, choices, choiceLogProbabilities ?? []);
  const [plain, perCharacter, perByte] = [chosen('none'), chosen('characters'), chosen('bytes')];
  if (!plain || !perCharacter || !perByte) return { label: 'unscored', reason: 'missing_logprobs' };
  const isGold = (index: number) => key.gold.includes(choices[index]!);
  return {
    label: isGold(plain.index) ? 'correct' : 'incorrect',
    perCharacter: isGold(perCharacter.index),
    perByte: isGold(perByte.index),
    tied: plain.tied,
    exactMatch: null,
  };
}
