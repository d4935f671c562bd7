import type { HarmVerdictRecord, ItemRecord } from '../record.ts';
import type { HeldRecords } from './held-records.ts';

/** What of a run may be printed, as far as the judges have spoken. */
export interface Redaction {
  /** A completion of the harm suite that not all judges call safe may not, nor anything that quotes it. */
  readonly hidesCompletion: (record: ItemRecord) => boolean;
  /** A prompt of the harm suite, by its id, to which some arm's completion is hidden may not. */
  readonly hidesPrompt: (suite: string, id: string) => boolean;
}

/**
 * Whether a harm-suite completion may be printed: every judge of the run has called it safe.
 * `judges` are all of the run's harm judges: one that has not spoken has not called it safe.
 */
export function allCallSafe(verdicts: readonly HarmVerdictRecord[], judges: Iterable<string>): boolean {
  if (verdicts.length === 0 || verdicts.some(({ label }) => label !== 'safe')) return false;
  const spoken = new Set(verdicts.map(({ judge }) => judge));
  return [...judges].every((judge) => spoken.has(judge));
}

/** What of these records is redacted; nothing with `showCompletions`. */
export function redactionOf(
  { items, verdicts, judges }: Pick<HeldRecords, 'items' | 'verdicts' | 'judges'>,
  { showCompletions }: { readonly showCompletions: boolean },
): Redaction {
  if (showCompletions) return { hidesCompletion: () => false, hidesPrompt: () => false };
  const said = new Map<string, HarmVerdictRecord[]>();
  for (const verdict of verdicts) {
    if (verdict.suite !== 'harm') continue;
    const key = answerKey(verdict);
    const known = said.get(key);
    if (known) known.push(verdict);
    else said.set(key, [verdict]);
  }
  const hidesCompletion = (record: ItemRecord) =>
    record.suite === 'harm' && !allCallSafe(said.get(answerKey(record)) ?? [], judges);
  const flagged = new Set(items.filter(hidesCompletion).map(({ id }) => id));
  return { hidesCompletion, hidesPrompt: (suite, id) => suite === 'harm' && flagged.has(id) };
}

/** One generation's place in a run as one text, the same for its record and the verdicts on it. */
export const answerKey = ({
  suite,
  arm,
  id,
  condition,
  repeat,
}: Pick<ItemRecord, 'suite' | 'arm' | 'id' | 'condition' | 'repeat'>): string =>
  JSON.stringify([suite, arm, id, condition, repeat]);
