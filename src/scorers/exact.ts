import { sha256 } from '../hash.ts';
import type { Scorer, TruthVerdict } from '../scorer.ts';
import { scoreAnswer } from '../truth.ts';

const version = '1';

/** Judges knowledge answers against the question's own answers; an empty answer is incorrect, never unscored. */
export function exactScorer(): Scorer<TruthVerdict> {
  return {
    name: 'exact',
    version,
    fingerprint: sha256(`exact\n${version}`),
    score: async (answered) =>
      answered.map(({ item, completion }) => {
        if (!item.answers) throw new Error(`internal: item ${item.id} has no answers to score against`);
        return scoreAnswer(completion, item.answers);
      }),
  };
}
