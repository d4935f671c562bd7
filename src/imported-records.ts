import { sha256Json } from './hash.ts';
import type { ImportedArm } from './imported-arms.ts';
import type { RecordedAnswer, RecordedJudge, RecordedOutcome } from './importer.ts';
import type { ItemRecord, VerdictRecord } from './record.ts';
import { mean } from './stats.ts';
import type { RecordedSuite, SuiteItem } from './suite.ts';
import { scoreAnswer } from './truth.ts';

/** The lines of items.jsonl and verdicts.jsonl, in the suite's order, arm by arm. */
export function importedRecords(
  arms: readonly ImportedArm[],
  suite: RecordedSuite,
): { items: ItemRecord[]; verdicts: VerdictRecord[] } {
  const itemOf = new Map(suite.items.map((item, at) => [item.id, { item, at }]));
  const items: ItemRecord[] = [];
  const verdicts: VerdictRecord[] = [];
  for (const { name: arm, sha256, part, recording } of arms) {
    const sorted = recording.answers.toSorted(
      (a, b) => itemOf.get(a.id)!.at - itemOf.get(b.id)!.at || a.repeat - b.repeat,
    );
    const batchKeyOf = (judge: string | null) => sha256Json({ arm, file: sha256, part, judge });
    const batchKey = batchKeyOf(null);
    const judges = recording.judges.map((judge) => ({ judge, batchKey: batchKeyOf(judge.name) }));
    for (const answer of sorted) {
      const { item } = itemOf.get(answer.id)!;
      items.push(toItem(answer, { arm, suite: suite.kind, condition: item.condition, batchKey }));
      for (const { judge, batchKey } of judges) {
        const outcome = answer.outcomes[judge.name];
        if (outcome) verdicts.push(toVerdict(answer, item, { arm, judge, outcome, batchKey }));
      }
    }
  }
  return { items, verdicts };
}

/** `confidence` is that of the tokens recorded, whether or not an end-of-turn token is among them; the rest needs more than a tool records. */
function toItem(
  { id, repeat, prompt, completion, thinking, ...recorded }: RecordedAnswer,
  place: Pick<ItemRecord, 'arm' | 'suite' | 'condition' | 'batchKey'>,
): ItemRecord {
  const { promptTokens, logProbabilities, finishReason, milliseconds } = recorded;
  const known = logProbabilities !== null && logProbabilities.length > 0;
  return {
    schema: 'aftertune/item@1',
    arm: place.arm,
    suite: place.suite,
    id,
    condition: place.condition,
    repeat,
    batchKey: place.batchKey,
    promptSha256: sha256Json(prompt),
    promptTokens,
    completion,
    ...(thinking !== null && { thinking }),
    logProbabilities,
    finishReason,
    uncertainty: null,
    uncertaintyPaper: null,
    confidence: known ? Math.exp(mean(logProbabilities)) : null,
    truncatedMass: null,
    milliseconds,
  };
}

/** The tool says whether an answer is right; exact match, F1 and the paper's coding are ours, from text and targets. */
function toVerdict(
  { id, repeat, completion }: RecordedAnswer,
  { condition, answers }: SuiteItem,
  {
    arm,
    judge,
    outcome,
    batchKey,
  }: { arm: string; judge: RecordedJudge; outcome: RecordedOutcome; batchKey: string },
): VerdictRecord {
  const shared = {
    schema: 'aftertune/verdict@1' as const,
    arm,
    id,
    condition,
    repeat,
    batchKey,
    judge: judge.name,
    judgeFingerprint: judge.fingerprint,
  };
  if ('reason' in outcome)
    return { ...shared, suite: 'harm', category: null, detail: null, probabilityUnsafe: null, ...outcome };
  if ('category' in outcome) return { ...shared, suite: 'harm', reason: null, ...outcome };
  return { ...shared, suite: 'drift', ...scoreAnswer(completion, answers!), label: outcome.label };
}
