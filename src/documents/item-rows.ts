import { sha256 } from '../hash.ts';
import type { SuiteJudge } from '../outcomes.ts';
import type { ItemRecord, VerdictRecord } from '../record.ts';
import type { Redaction } from '../report/redaction.ts';
import type { RecordedSuite } from '../suite.ts';
import type { Columns, TypedRow } from './typed-table.ts';

/** Items joined with their verdicts: a row for each generation. */

export const itemColumns = {
  arm: 'text',
  suite: 'text',
  id: 'text',
  condition: 'text',
  repeat: 'integer',
  functionalCategory: 'text',
  semanticCategory: 'text',
  prompt: 'text',
  /** Of the prompt as rendered for the model. */
  promptSha256: 'text',
  promptTokens: 'integer',
  prefill: 'text',
  completion: 'text',
  completionSha256: 'text',
  /** In code points. */
  completionLength: 'integer',
  thinking: 'text',
  /** Whether texts are left out: the completion, or the prompt since some arm's completion is. */
  redacted: 'boolean',
  finishReason: 'text',
  tokens: 'integer',
  logProbabilities: 'numbers',
  choiceLogProbabilities: 'numbers',
  perplexity: 'number',
  entropy: 'number',
  probability: 'number',
  confidence: 'number',
  truncatedMass: 'number',
  milliseconds: 'number',
  /** The judge that decides, and its word; every judge's in the two lists. */
  judge: 'text',
  label: 'text',
  reason: 'text',
  category: 'text',
  detail: 'text',
  probabilityUnsafe: 'number',
  severity: 'number',
  labelWithThinking: 'text',
  adopted: 'boolean',
  exactMatch: 'boolean',
  tokenF1: 'number',
  paperCorrect: 'boolean',
  paperAdopted: 'boolean',
  cluster: 'integer',
  perCharacter: 'boolean',
  perByte: 'boolean',
  tied: 'boolean',
  judges: 'texts',
  labels: 'texts',
} as const satisfies Columns;

export type ItemRow = TypedRow<typeof itemColumns>;

export interface ItemJoin {
  readonly suites: readonly RecordedSuite[];
  /** The judges of every suite, the deciding one first; verdicts of others are not counted. */
  readonly judgesOf: ReadonlyMap<string, readonly Pick<SuiteJudge, 'name' | 'fingerprint'>[]>;
  /** All verdicts on a generation. */
  readonly verdictsOf: (item: ItemRecord) => readonly VerdictRecord[];
  readonly redaction: Redaction;
}

/** Says which row a generation is: the join is made once for all of them. */
export function joinItems(join: ItemJoin): (item: ItemRecord) => ItemRow {
  const planned = new Map(
    join.suites.flatMap(({ kind, items }) =>
      items.map((item) => [JSON.stringify([kind, item.id, item.condition]), item] as const),
    ),
  );
  return (item) => {
    const asked = planned.get(JSON.stringify([item.suite, item.id, item.condition]));
    const judges = join.judgesOf.get(item.suite) ?? [];
    const verdicts = join.verdictsOf(item);
    const shown = !join.redaction.hidesCompletion(item);
    const promptShown = !join.redaction.hidesPrompt(item.suite, item.id);
    const counted = judges.flatMap(({ name, fingerprint }) =>
      verdicts.filter(({ judge, judgeFingerprint }) => judge === name && judgeFingerprint === fingerprint),
    );
    const deciding = counted.find(({ judge }) => judge === judges[0]?.name) ?? null;
    return {
      ...generation(item),
      functionalCategory: asked?.functionalCategory ?? null,
      semanticCategory: asked?.semanticCategory ?? null,
      prompt: promptShown ? (asked?.judgePrompt ?? null) : null,
      prefill: promptShown ? (item.prefill ?? null) : null,
      completion: shown ? item.completion : null,
      thinking: shown ? (item.thinking ?? null) : null,
      redacted: !shown || !promptShown,
      ...word(deciding, shown),
      judges: counted.map(({ judge }) => judge),
      labels: counted.map(({ label }) => label),
    };
  };
}

function generation(item: ItemRecord) {
  const { arm, suite, id, condition, repeat, promptSha256, promptTokens, finishReason } = item;
  const { logProbabilities, confidence, truncatedMass, milliseconds, uncertainty } = item;
  return {
    ...{ arm, suite, id, condition, repeat, promptSha256, promptTokens, finishReason },
    completionSha256: sha256(item.completion),
    completionLength: codePoints(item.completion),
    tokens: logProbabilities?.length ?? null,
    ...{ logProbabilities, choiceLogProbabilities: item.choiceLogProbabilities ?? null },
    perplexity: uncertainty?.perplexity ?? null,
    entropy: uncertainty?.entropy ?? null,
    probability: uncertainty?.probability ?? null,
    ...{ confidence, truncatedMass, milliseconds },
  };
}

/** Without a list of them: exports are of hundreds of thousands of texts. */
function codePoints(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

/** What the deciding judge said; its reasons in words only where the completion is shown. */
function word(verdict: VerdictRecord | null, shown: boolean) {
  const harm = verdict?.suite === 'harm' ? verdict : null;
  const drift = verdict?.suite === 'drift' ? verdict : null;
  const utility = verdict?.suite === 'utility' ? verdict : null;
  return {
    judge: verdict?.judge ?? null,
    label: verdict?.label ?? null,
    reason: verdict && 'reason' in verdict ? verdict.reason : null,
    category: harm?.category ?? null,
    detail: shown ? (harm?.detail ?? null) : null,
    probabilityUnsafe: harm?.probabilityUnsafe ?? null,
    severity: harm?.severity ?? null,
    labelWithThinking: harm?.withThinking?.label ?? null,
    adopted: drift?.adopted ?? null,
    exactMatch: drift?.exactMatch ?? utility?.exactMatch ?? null,
    tokenF1: drift?.tokenF1 ?? null,
    paperCorrect: drift?.paper.correct ?? null,
    paperAdopted: drift?.paper.adopted ?? null,
    cluster: verdict?.suite === 'semantic-entropy' ? verdict.cluster : null,
    perCharacter: utility?.perCharacter ?? null,
    perByte: utility?.perByte ?? null,
    tied: utility?.tied ?? null,
  };
}
