import { throwIfAborted } from './errors.ts';
import { inSuiteOrder, type Progress } from './evaluate.ts';
import { sha256Json } from './hash.ts';
import type { SuiteJudge } from './outcomes.ts';
import { inParallel } from './parallel.ts';
import type { ItemRecord, VerdictRecord } from './record.ts';
import { chosen, placesIn, type Records } from './records.ts';
import { type PlannedBatches, resumeBatches } from './resumed-batches.ts';
import type {
  Answered,
  ClusterVerdict,
  HarmVerdict,
  RefusalVerdict,
  Scorer,
  TruthVerdict,
  UtilityVerdict,
} from './scorer.ts';
import type { RunStore } from './store.ts';
import type { RecordedSuite, SuiteItem, SuiteKind } from './suite.ts';
import { withThinking } from './thinking.ts';

/** What a judge of each kind of suite says. */
export interface Judgement {
  readonly harm: HarmVerdict;
  readonly 'over-refusal': RefusalVerdict;
  readonly drift: TruthVerdict;
  readonly 'semantic-entropy': ClusterVerdict;
  readonly utility: UtilityVerdict;
}

export type VerdictRecordOf<K extends SuiteKind> = Extract<VerdictRecord, { suite: K }>;

export interface JudgeOptions<K extends SuiteKind> {
  readonly arm: string;
  readonly suite: RecordedSuite & { readonly kind: K };
  /** The arm's records of this suite. */
  readonly items: Records<ItemRecord>;
  readonly scorer: Scorer<Judgement[K]>;
  readonly store: Pick<RunStore, 'verdicts'>;
  readonly onProgress?: (progress: Progress) => void;
  readonly signal?: AbortSignal;
}

/** A judge as a summary names it. */
export function suiteJudge(
  suite: SuiteKind,
  { name, version, fingerprint, note }: Pick<Scorer<unknown>, 'name' | 'version' | 'fingerprint' | 'note'>,
): SuiteJudge {
  return { suite, name, version, fingerprint, ...(note !== undefined && { note }) };
}

const judgeBatchSize = 64;

/**
 * Has one judge look at every completion, 64 planned together, or one by one and several at once where the judge can be
 * asked so; verdicts come in the items' order.
 * What the store already holds is not judged again, but for batches with a judge error, which a resumed run retries.
 * @throws AuditError `interrupted` when the signal fires, with every finished batch kept.
 */
export async function judge<K extends SuiteKind>(
  options: JudgeOptions<K>,
): Promise<Records<VerdictRecordOf<K>>> {
  const { arm, suite, scorer, store, onProgress, signal } = options;
  const items = itemsToJudge(suite, options.items);
  const plan = planVerdicts({ ...options, items });
  const part = { arm, suite: suite.kind, judge: scorer.name };
  const { left, resumed } = resumeBatches(plan, part, [store.verdicts]);
  let done = resumed;
  onProgress?.({ done, total: items.length, resumed });
  try {
    await inParallel(left, scorer.concurrency ?? 1, async (batch) => {
      throwIfAborted(signal);
      const { key, records, answered } = plan.batch(batch);
      const thoughts = suite.kind === 'harm' ? thoughtsOf(records, answered) : [];
      const verdicts = await scorer.score(
        [...answered, ...thoughts.map((thought) => thought.answered)],
        signal,
      );
      const made = records.map((record, at) => toRecord(options, key, record, verdicts[at]));
      for (const [at, { record }] of thoughts.entries()) {
        made[record] = addThought(made[record]!, verdicts[answered.length + at]);
      }
      store.verdicts.append(made);
      done += answered.length;
      onProgress?.({ done, total: items.length, resumed });
    });
  } finally {
    store.verdicts.flush();
  }
  return inSuiteOrder(store.verdicts, part, suite.items) as Records<VerdictRecordOf<K>>;
}

/**
 * What got no answer is for no judge that would mark it wrong: it has no verdict, and so is unscored. A judge of harm or
 * refusals has a word for it (`empty`); of meanings, it takes its item's other samples with it.
 */
function itemsToJudge(suite: RecordedSuite, items: Records<ItemRecord>): Records<ItemRecord> {
  if (suite.kind === 'harm' || suite.kind === 'over-refusal') return items;
  const unanswered = new Set<string>();
  for (const item of items) if (item.failure !== undefined) unanswered.add(keyOf(item));
  if (unanswered.size === 0) return items;
  const whole = suite.kind === 'semantic-entropy';
  return chosen(items, (item) => (whole ? !unanswered.has(keyOf(item)) : item.failure === undefined));
}

interface VerdictBatch {
  readonly key: string;
  readonly records: readonly ItemRecord[];
  readonly answered: readonly Answered[];
}

/** The batches, put together when they are looked at. */
interface VerdictPlan extends PlannedBatches {
  batch(at: number): VerdictBatch;
}

/** The key covers all that a judge is shown and who it is. */
function planVerdicts<K extends SuiteKind>({ arm, suite, items, scorer }: JudgeOptions<K>): VerdictPlan {
  const placeOf = placesIn(suite.items);
  const together = scorer.concurrency === undefined ? judgeBatchSize : 1;
  const size = suite.kind === 'semantic-entropy' ? wholeItems(items) : together;
  const batch = (at: number): VerdictBatch => {
    const records = items.slice(at * size, (at + 1) * size);
    const answered = records.map((record) => {
      const item = suite.items[placeOf(record)];
      if (!item) throw new Error(`internal: item ${record.id} (${record.condition}) is not of this suite`);
      const { completion: own, prefill = '', finishReason, repeat, choiceLogProbabilities } = record;
      // What a model was made to say is judged with what it said then; alone it is nothing to judge.
      const completion = own.trim() === '' ? own : prefill + own;
      return {
        ...{ arm, repeat, withThinking: false, item, completion, finishReason: finishReason ?? 'stop' },
        ...(choiceLogProbabilities && { choiceLogProbabilities }),
      };
    });
    const shown = answered.map(({ item, completion, finishReason }, at) => [
      [item.id, item.condition, records[at]!.repeat],
      [item.judgePrompt, item.answers, completion, finishReason],
      ...(suite.kind === 'harm' && records[at]!.thinking ? [records[at]!.thinking] : []),
      ...(item.key ? [item.key, records[at]!.choiceLogProbabilities ?? null] : []),
    ]);
    return {
      key: sha256Json({ arm, suite: suite.kind, judge: [scorer.name, scorer.fingerprint], shown }),
      records,
      answered,
    };
  };
  return {
    length: Math.ceil(items.length / size),
    size: (at) => Math.min(size, items.length - at * size),
    key: (at) => batch(at).key,
    batch,
  };
}

/** A batch in which no item's samples are torn apart: they are clustered together. */
function wholeItems(items: Records<ItemRecord>): number {
  let samples = 1;
  for (const { repeat } of items) samples = Math.max(samples, repeat + 1);
  return samples * Math.max(1, Math.floor(judgeBatchSize / samples));
}

/** A completion once more, its thinking before its answer; `record` is its place in the batch. */
function thoughtsOf(records: readonly ItemRecord[], answered: readonly Answered[]) {
  return [...records.entries()].flatMap(([record, { thinking }]) => {
    const own = answered[record]!;
    if (!thinking) return [];
    const completion = withThinking(thinking, own.completion);
    return [{ record, answered: { ...own, withThinking: true, completion } }];
  });
}

function keyOf({ id, condition }: SuiteItem | ItemRecord): string {
  return JSON.stringify([id, condition]);
}

type Fields<K extends SuiteKind> = Omit<VerdictRecordOf<K>, keyof CommonFields>;
type CommonFields = Pick<
  VerdictRecord,
  'schema' | 'arm' | 'suite' | 'id' | 'condition' | 'repeat' | 'batchKey' | 'judge' | 'judgeFingerprint'
>;

const fieldsOf: { readonly [K in SuiteKind]: (verdict: Judgement[K]) => Fields<K> } = {
  harm: (verdict) =>
    verdict.label === 'unscored'
      ? { ...verdict, category: null, detail: null, probabilityUnsafe: null }
      : { ...verdict, reason: null },
  'over-refusal': (verdict) => (verdict.label === 'unscored' ? verdict : { ...verdict, reason: null }),
  drift: (verdict) => verdict,
  'semantic-entropy': (verdict) =>
    verdict.label === 'unscored' ? { ...verdict, cluster: null } : { ...verdict, reason: null },
  utility: (verdict) =>
    verdict.label === 'unscored'
      ? { ...verdict, perCharacter: null, perByte: null, tied: null, exactMatch: null }
      : { ...verdict, reason: null },
};

/** The verdict with what the same judge said of thinking and answer together. */
function addThought<K extends SuiteKind>(
  record: VerdictRecordOf<K>,
  verdict: Judgement[K] | undefined,
): VerdictRecordOf<K> {
  if (!verdict)
    throw new Error(`internal: judge ${record.judge} gave no verdict on the thinking of ${record.id}`);
  return { ...record, withThinking: fieldsOf.harm(verdict as HarmVerdict) };
}

function toRecord<K extends SuiteKind>(
  { arm, suite, scorer }: JudgeOptions<K>,
  key: string,
  { id, condition, repeat }: ItemRecord,
  verdict: Judgement[K] | undefined,
): VerdictRecordOf<K> {
  if (!verdict) throw new Error(`internal: judge ${scorer.name} gave no verdict on item ${id}`);
  const common = {
    schema: 'aftertune/verdict@1',
    arm,
    suite: suite.kind,
    id,
    condition,
    repeat,
    batchKey: key,
    judge: scorer.name,
    judgeFingerprint: scorer.fingerprint,
  } as const;
  return { ...common, ...fieldsOf[suite.kind](verdict) } as unknown as VerdictRecordOf<K>;
}
