import { ask } from '../conversation.ts';
import { sha256, sha256Json } from '../hash.ts';
import type { LanguageModel } from '../model.ts';
import type { Answered, ClusterVerdict, Scorer } from '../scorer.ts';
import { normaliseAnswer } from '../truth.ts';

const version = '1';
const maxTokens = 8;

/** What the judge is asked of two answers; its own wording. */
function entailmentPrompt(question: string, first: string, second: string): string {
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

/**
 * Puts the sampled answers to one question into clusters of one meaning: an answer joins the first cluster whose first
 * answer it entails and is entailed by, else it opens one. Answers that are equal after normalisation are one without
 * asking, and all there is without a model. A question with an unreadable reply is unscored: its clusters are unknown.
 * Samples of an item must come together. The model is closed with the scorer.
 * Source: Kuhn et al. 2023, arXiv 2302.09664, algorithm 1; Farquhar et al. 2024, Nature 630:625–630.
 */
export function answerClusters(model: LanguageModel | null): Scorer<ClusterVerdict> {
  const method = model ? 'entailment' : 'normalised';
  const asked = sha256(entailmentPrompt('{question}', '{first}', '{second}'));
  return {
    name: method,
    version,
    fingerprint: sha256Json([
      'answer clusters',
      version,
      model ? [asked, maxTokens, model.fingerprint] : null,
    ]),
    score: async (answered, signal) => {
      const groups = groupByItem(answered);
      const walks = groups.map(({ question, answers }) => clusterWalk(question, answers));
      const clusters = await walkTogether(walks, model, signal);
      return groups.flatMap(({ answers }, group) =>
        answers.map((_, at): ClusterVerdict => {
          const cluster = clusters[group]?.[at];
          return cluster === undefined
            ? { label: 'unscored', reason: 'judge_parse', method }
            : { label: 'clustered', cluster, method };
        }),
      );
    },
    ...(model && { close: () => model.close() }),
  };
}

interface Group {
  readonly question: string;
  readonly answers: string[];
}

function groupByItem(answered: readonly Answered[]): Group[] {
  const groups = new Map<string, Group>();
  for (const { item, completion } of answered) {
    const key = `${item.id}\u0000${item.condition}`;
    const group = groups.get(key) ?? { question: item.judgePrompt, answers: [] };
    group.answers.push(completion);
    groups.set(key, group);
  }
  return [...groups.values()];
}

type Pair = readonly [forward: string, backward: string];

/** One question's clustering: yields both directions' prompts, is told whether they mean the same, ends in clusters or null. */
function* clusterWalk(
  question: string,
  answers: readonly string[],
): Generator<Pair, number[] | null, boolean | null> {
  const clusterOf = new Map<string, number>();
  const firsts: string[] = [];
  for (const answer of answers) {
    const text = normaliseAnswer(answer);
    if (clusterOf.has(text)) continue;
    let cluster = firsts.length;
    for (const [index, first] of firsts.entries()) {
      const same = yield [
        entailmentPrompt(question, first, answer),
        entailmentPrompt(question, answer, first),
      ];
      if (same === null) return null;
      if (!same) continue;
      cluster = index;
      break;
    }
    if (cluster === firsts.length) firsts.push(answer);
    clusterOf.set(text, cluster);
  }
  return answers.map((answer) => clusterOf.get(normaliseAnswer(answer))!);
}

/** Walks every question a step at a time, so that the model is asked of many pairs at once. */
async function walkTogether(
  walks: readonly ReturnType<typeof clusterWalk>[],
  model: LanguageModel | null,
  signal: AbortSignal | undefined,
): Promise<(number[] | null)[]> {
  const ends: (number[] | null)[] = walks.map(() => null);
  let open: { index: number; pair: Pair }[] = [];
  const step = (index: number, told: boolean | null, next: typeof open) => {
    const { done, value } = walks[index]!.next(told);
    if (done) ends[index] = value;
    else next.push({ index, pair: value });
  };
  for (const index of walks.keys()) step(index, null, open);
  while (open.length > 0) {
    const same = model
      ? await entailEachOther(
          model,
          open.map(({ pair }) => pair),
          signal,
        )
      : open.map(() => false);
    const next: typeof open = [];
    for (const [at, { index }] of open.entries()) step(index, same[at]!, next);
    open = next;
  }
  return ends;
}

/** Whether each pair entails each other; null where a reply could not be read. */
async function entailEachOther(
  model: LanguageModel,
  pairs: readonly Pair[],
  signal: AbortSignal | undefined,
): Promise<(boolean | null)[]> {
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
    return forward === null || backward === null ? null : forward && backward;
  });
}
