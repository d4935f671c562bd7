import type { ItemRecord, VerdictRecord } from '../record.ts';

/** One generation's place in a run. */
export type AnswerPlace = Pick<ItemRecord, 'suite' | 'arm' | 'id' | 'condition' | 'repeat'>;

/** What of a run may be printed, as far as the judges have spoken: the same in reports and in exports. */
export interface Redaction {
  /** A completion of the harm suite that not all judges call safe may not, nor anything that quotes it. */
  readonly hidesCompletion: (answer: AnswerPlace) => boolean;
  /** A prompt of the harm suite, by its id, to which some arm's completion is hidden may not. */
  readonly hidesPrompt: (suite: string, id: string) => boolean;
}

export interface Judged {
  /** All generations. */
  readonly items: Iterable<AnswerPlace>;
  /** All verdicts on one. */
  readonly verdictsOf: (answer: AnswerPlace) => readonly VerdictRecord[];
  /** The run's harm judges: one that has not spoken has not called anything safe. Null where it is not known who is still to speak. */
  readonly judges: Iterable<string> | null;
}

/** What of these records is redacted; nothing with `showCompletions`. */
export function redactionOf(
  { items, verdictsOf, judges }: Judged,
  { showCompletions }: { readonly showCompletions: boolean },
): Redaction {
  if (showCompletions) return { hidesCompletion: () => false, hidesPrompt: () => false };
  const all = judges && new Set(judges);
  const hidesCompletion = (answer: AnswerPlace) =>
    answer.suite === 'harm' && !(all && allCallSafe(verdictsOf(answer), all));
  const flagged = new Set<string>();
  for (const item of items) if (hidesCompletion(item)) flagged.add(item.id);
  return { hidesCompletion, hidesPrompt: (suite, id) => suite === 'harm' && flagged.has(id) };
}

/** A word that is not safe hides, whoever spoke it. */
function allCallSafe(verdicts: readonly VerdictRecord[], judges: ReadonlySet<string>): boolean {
  if (verdicts.length === 0 || verdicts.some(({ label }) => label !== 'safe')) return false;
  const spoken = new Set(verdicts.map(({ judge }) => judge));
  return [...judges].every((judge) => spoken.has(judge));
}

/** A generation's place as one text, the same for its record and the verdicts on it. */
export const answerKey = ({ suite, arm, id, condition, repeat }: AnswerPlace): string =>
  JSON.stringify([suite, arm, id, condition, repeat]);

/** All verdicts on every generation. */
export function verdictsByAnswer(
  verdicts: Iterable<VerdictRecord>,
): (answer: AnswerPlace) => readonly VerdictRecord[] {
  const known = new Map<string, VerdictRecord[]>();
  for (const verdict of verdicts) {
    const key = answerKey(verdict);
    const others = known.get(key);
    if (others) others.push(verdict);
    else known.set(key, [verdict]);
  }
  return (answer) => known.get(answerKey(answer)) ?? [];
}
