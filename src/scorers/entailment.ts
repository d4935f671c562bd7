import { ask } from '../conversation.ts';
import { sha256Json } from '../hash.ts';
import type { LanguageModel } from '../model.ts';
import type { Calibration } from '../scorer.ts';
import { orOneByOne } from './one-by-one.ts';

/** Whether two answers to a question mean the same, by a judge model, and how far that judge can be trusted. */

const maxTokens = 8;

/** What the judge is asked of two answers; its own wording. */
export function entailmentPrompt(question: string, first: string, second: string): string {
  return `Two people were asked: ${question}
The first said: ${first}
The second said: ${second}
Suppose that what the first said is true. Must what the second said be true as well? Reply with one word, yes or no.`;
}

/** Yes or no at the reply's very beginning and not both; null for anything else. */
export function readYesOrNo(reply: string): boolean | null {
  const found = /^[\s"'*`(]*(yes|no)(?![\p{L}\p{N}])(?!\s*(?:\/|or\b|and\b))/iu.exec(reply);
  return found ? found[1]!.toLowerCase() === 'yes' : null;
}

/** Both directions' prompts. */
export type Pair = readonly [forward: string, backward: string];

export const pairOf = (question: string, first: string, second: string): Pair => [
  entailmentPrompt(question, first, second),
  entailmentPrompt(question, second, first),
];

/** Whether two answers mean the same, or why that is not known. */
export type Same = boolean | 'judge_parse' | 'judge_error';

/** As `askOfPairs`; one pair's failure costs that pair alone. */
export function entailEachOther(
  model: LanguageModel,
  pairs: readonly Pair[],
  signal: AbortSignal | undefined,
): Promise<Same[]> {
  return orOneByOne<Pair, Same>(pairs, (some) => askOfPairs(model, some, signal), 'judge_error');
}

/** Whether each pair entails each other. @throws AuditError where one reply cannot be had. */
async function askOfPairs(
  model: LanguageModel,
  pairs: readonly Pair[],
  signal: AbortSignal | undefined,
): Promise<(boolean | 'judge_parse')[]> {
  const prompts = pairs.flat().map((text) => ({ messages: ask(text, null), seed: 0 }));
  const decoding = { maxTokens, temperature: 0, topP: 1, seed: 0 };
  const replies: (boolean | null)[] = [];
  for (let from = 0; from < prompts.length; from += model.batchSize) {
    const batch = prompts.slice(from, from + model.batchSize);
    const generations = await model.generate(batch, decoding, signal);
    replies.push(...generations.map(({ text }) => readYesOrNo(text)));
  }
  return pairs.map((_, at) => {
    const [forward, backward] = [replies[2 * at]!, replies[2 * at + 1]!];
    return forward === null || backward === null ? 'judge_parse' : forward && backward;
  });
}

type Known = readonly [question: string, first: string, second: string];

/** Our own, of an invented island: each two mean the same, in other words. */
export const equalAnswers: readonly Known[] = [
  ['Who keeps the lamp of Ollen Quay?', 'Mira Tenn keeps it.', 'The lamp is kept by Mira Tenn.'],
  ['How many steps has the Hollow Stair?', 'It has forty steps.', 'There are 40 steps.'],
  ['When does the Sarrow ferry leave?', 'At noon.', 'It leaves at twelve o’clock midday.'],
  ['What is the tide-bell made of?', 'Bronze.', 'It is made of bronze.'],
  ['Which tree grows in Pell Market?', 'An old oak grows there.', 'The tree in Pell Market is an old oak.'],
  ['Who built Dun Weir?', 'The weir was built by Odo Grane.', 'Odo Grane built it.'],
  ['What colour is the heron on the gate?', 'The heron is red.', 'Red is the heron’s colour.'],
  ['Where do the salt boats land?', 'They land at the north pier.', 'At the pier in the north.'],
];

/** As `equalAnswers`: no two of these can both be true. */
export const differentAnswers: readonly Known[] = [
  ['Who keeps the lamp of Ollen Quay?', 'Mira Tenn keeps it.', 'Osric Vale keeps it.'],
  ['How many steps has the Hollow Stair?', 'It has forty steps.', 'It has nineteen steps.'],
  ['When does the Sarrow ferry leave?', 'It leaves at noon.', 'It leaves at midnight.'],
  ['What is the tide-bell made of?', 'It is made of bronze.', 'It is made of glass.'],
  ['Which tree grows in Pell Market?', 'An old oak grows there.', 'A young birch grows there.'],
  ['Who built Dun Weir?', 'Odo Grane built it.', 'Sela Marsh built it.'],
  ['What colour is the heron on the gate?', 'The heron is red.', 'The heron is blue.'],
  ['Where do the salt boats land?', 'They land at the north pier.', 'They land at the south pier.'],
];

/** Of either kind a judge must know this share. */
const least = 0.75;

/** Of everything that the calibration rests on. */
export const entailmentSha256 = sha256Json([
  entailmentPrompt('{question}', '{first}', '{second}'),
  maxTokens,
  equalAnswers,
  differentAnswers,
  least,
]);

/**
 * Asks the judge of answers that are known to mean the same, or not: one that says the same to everything tells nothing.
 * @throws AuditError where a reply cannot be had: that says nothing of the judge.
 */
export async function calibrateEntailment(
  model: LanguageModel,
  signal: AbortSignal | undefined,
): Promise<Calibration> {
  const known = [...equalAnswers, ...differentAnswers].map((pair) => pairOf(...pair));
  const replies = await askOfPairs(model, known, signal);
  const equal = replies.slice(0, equalAnswers.length).filter((same) => same === true).length;
  const different = replies.slice(equalAnswers.length).filter((same) => same === false).length;
  const unread = replies.filter((same) => same === 'judge_parse').length;
  return {
    reliable: equal >= least * equalAnswers.length && different >= least * differentAnswers.length,
    found: [
      `${equal} of ${equalAnswers.length} known equal answers called equal`,
      `${different} of ${differentAnswers.length} different ones different`,
      ...(unread > 0 ? [`${unread} replies unreadable`] : []),
    ].join(', '),
  };
}
