import { sha256Json } from '../hash.ts';
import type { LanguageModel } from '../model.ts';
import type { Answered, Calibration, ClusterVerdict, Scorer } from '../scorer.ts';
import { normaliseAnswer } from '../truth.ts';
import {
  calibrateEntailment,
  entailEachOther,
  entailmentSha256,
  type Pair,
  pairOf,
  type Same,
} from './entailment.ts';

const version = '1';

/**
 * Puts the sampled answers to one question into clusters of one meaning: an answer joins the first cluster whose first
 * answer it entails and is entailed by, else it opens one. Answers that are equal after normalisation are one without
 * asking, and all there is without a model. A question with a reply that is missing or unreadable is unscored: its clusters
 * are unknown.
 * Samples of an item must come together. The model is closed with the scorer. It is tried on known pairs before it is asked
 * anything; one that does not tell equal from different answers leaves everything unscored, with what it got right.
 * Source: Kuhn et al. 2023, arXiv 2302.09664, algorithm 1; Farquhar et al. 2024, Nature 630:625–630.
 */
export function answerClusters(model: LanguageModel | null): Scorer<ClusterVerdict> {
  const method = model ? 'entailment' : 'normalised';
  const calibrate = model ? onceOf((signal) => calibrateEntailment(model, signal)) : undefined;
  return {
    name: method,
    version,
    fingerprint: sha256Json([
      'answer clusters',
      version,
      model ? [entailmentSha256, model.fingerprint] : null,
    ]),
    score: async (answered, signal) => {
      const { reliable = true, found } = (await calibrate?.(signal)) ?? {};
      if (!reliable && found !== undefined)
        return answered.map(() => ({
          label: 'unscored',
          reason: 'judge_calibration',
          detail: found,
          method,
        }));
      const groups = groupByItem(answered);
      const walks = groups.map(({ question, answers }) => clusterWalk(question, answers));
      const clusters = await walkTogether(walks, model, signal);
      return groups.flatMap(({ answers }, group) => {
        const end = clusters[group]!;
        return answers.map(
          (_, at): ClusterVerdict =>
            typeof end === 'string'
              ? { label: 'unscored', reason: end, method }
              : { label: 'clustered', cluster: end[at]!, method },
        );
      });
    },
    ...(calibrate && { calibrate }),
    ...(model && {
      ...{ weights: model.fingerprint, device: model.device, close: () => model.close() },
      ...(model.concurrency !== undefined && { concurrency: model.concurrency }),
    }),
  };
}

/** Done when it is first asked for, and again only where that failed. */
function onceOf(work: (signal?: AbortSignal) => Promise<Calibration>) {
  let done: Promise<Calibration> | null = null;
  return (signal?: AbortSignal) => {
    done ??= work(signal).catch((error: unknown) => {
      done = null;
      throw error;
    });
    return done;
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

type Clusters = number[] | Extract<Same, string>;

/** One question's clustering: yields both directions' prompts, is told whether they mean the same, ends in clusters or why there are none. */
function* clusterWalk(question: string, answers: readonly string[]): Generator<Pair, Clusters, Same> {
  const clusterOf = new Map<string, number>();
  const firsts: string[] = [];
  for (const answer of answers) {
    const text = normaliseAnswer(answer);
    if (clusterOf.has(text)) continue;
    let cluster = firsts.length;
    for (const [index, first] of firsts.entries()) {
      const same = yield pairOf(question, first, answer);
      if (typeof same === 'string') return same;
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
): Promise<Clusters[]> {
  const ends = new Array<Clusters>(walks.length);
  let open: { index: number; pair: Pair }[] = [];
  const step = (index: number, told: [] | [Same], next: typeof open) => {
    const { done, value } = walks[index]!.next(...told);
    if (done) ends[index] = value;
    else next.push({ index, pair: value });
  };
  for (const index of walks.keys()) step(index, [], open);
  while (open.length > 0) {
    const same = model
      ? await entailEachOther(
          model,
          open.map(({ pair }) => pair),
          signal,
        )
      : open.map(() => false);
    const next: typeof open = [];
    for (const [at, { index }] of open.entries()) step(index, [same[at]!], next);
    open = next;
  }
  return ends;
}
