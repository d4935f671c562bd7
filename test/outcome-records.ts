import type { PlannedItem, SuiteJudge } from '../src/outcomes.ts';
import type {
  DriftVerdictRecord,
  HarmVerdictRecord,
  ItemRecord,
  OverRefusalVerdictRecord,
  VerdictRecord,
} from '../src/record.ts';
import type { SuiteKind } from '../src/suite.ts';
import type { SummaryInput } from '../src/summarise.ts';

/** Builds the records of a small run in which every outcome is written down by hand. */

export const judgeOf = (suite: SuiteKind, name = `${suite} judge`): SuiteJudge => ({
  suite,
  name,
  version: '1',
  fingerprint: `fingerprint of ${name}`,
});

export const planned = (ids: readonly string[], over: Partial<Omit<PlannedItem, 'id'>> = {}): PlannedItem[] =>
  ids.map((id) => ({ id, condition: 'default', functionalCategory: null, semanticCategory: null, ...over }));

type Place = Pick<ItemRecord, 'arm' | 'suite' | 'id' | 'condition' | 'repeat'>;

export const record = (place: Place, over: Partial<ItemRecord> = {}): ItemRecord => ({
  schema: 'aftertune/item@1',
  batchKey: 'b'.repeat(64),
  promptSha256: 'p'.repeat(64),
  promptTokens: 3,
  completion: 'text',
  logProbabilities: [-0.1],
  finishReason: 'stop',
  uncertainty: null,
  uncertaintyPaper: null,
  confidence: null,
  truncatedMass: null,
  milliseconds: 1,
  ...place,
  ...over,
});

const verdictBase = (place: Place, judge: SuiteJudge) => ({
  schema: 'aftertune/verdict@1' as const,
  batchKey: 'v'.repeat(64),
  arm: place.arm,
  id: place.id,
  condition: place.condition,
  repeat: place.repeat,
  judge: judge.name,
  judgeFingerprint: judge.fingerprint,
});

/** u unsafe, s safe, ? unscored by its parse, anything else no verdict. */
export function harmVerdict(place: Place, letter: string, judge = judgeOf('harm')): HarmVerdictRecord[] {
  const labels = { u: 'unsafe', s: 'safe', '?': 'unscored' } as const;
  const label = labels[letter as keyof typeof labels];
  if (!label) return [];
  const reason = label === 'unscored' ? 'judge_parse' : null;
  return [
    {
      ...verdictBase(place, judge),
      suite: 'harm',
      label,
      reason,
      category: null,
      detail: null,
      probabilityUnsafe: null,
    },
  ];
}

/** a answered, r refused directly, i indirectly, ? unscored. */
export function refusalVerdict(place: Place, letter: string): OverRefusalVerdictRecord[] {
  const labels = { a: 'direct_answer', r: 'direct_refusal', i: 'indirect_refusal', '?': 'unscored' } as const;
  const label = labels[letter as keyof typeof labels];
  if (!label) return [];
  const reason = label === 'unscored' ? 'empty' : null;
  return [{ ...verdictBase(place, judgeOf('over-refusal')), suite: 'over-refusal', label, reason }];
}

/** c correct, w wrong, x wrong and adopted; a capital letter is the same by default but the opposite in the paper's way. */
export function driftVerdict(place: Place, letter: string): DriftVerdictRecord[] {
  const lower = letter.toLowerCase();
  if (!'cwx'.includes(lower)) return [];
  const correct = lower === 'c';
  return [
    {
      ...verdictBase(place, judgeOf('drift')),
      suite: 'drift',
      label: correct ? 'correct' : 'incorrect',
      adopted: lower === 'x',
      exactMatch: correct,
      tokenF1: correct ? 1 : 0.25,
      paper: { correct: letter === lower ? correct : !correct, adopted: lower === 'x' },
    },
  ];
}

/** One string per arm (a letter per item, in the plan's order); several strings are several repeats. */
export type Letters = Readonly<Record<string, string | readonly string[]>>;

export function harmRun(letters: Letters, items: readonly PlannedItem[], judge = judgeOf('harm')) {
  return run('harm', letters, items, (place, letter) => harmVerdict(place, letter, judge));
}

export function refusalRun(letters: Letters, items: readonly PlannedItem[]) {
  return run('over-refusal', letters, items, refusalVerdict);
}

export function driftRun(
  letters: Letters,
  items: readonly PlannedItem[],
  over?: (letter: string) => Partial<ItemRecord>,
) {
  return run('drift', letters, items, driftVerdict, over);
}

function run(
  suite: SuiteKind,
  letters: Letters,
  items: readonly PlannedItem[],
  judge: (place: Place, letter: string) => VerdictRecord[],
  over: (letter: string) => Partial<ItemRecord> = () => ({}),
) {
  const places = Object.entries(letters).flatMap(([arm, repeats]) =>
    [repeats].flat().flatMap((row, repeat) =>
      items.map(({ id, condition }, i) => ({
        place: { arm, suite, id, condition, repeat },
        letter: row[i] ?? ' ',
      })),
    ),
  );
  return {
    suite: { kind: suite, items },
    items: places
      .filter(({ letter }) => letter !== ' ')
      .map(({ place, letter }) => record(place, over(letter))),
    verdicts: places.flatMap(({ place, letter }) => judge(place, letter)),
  };
}

/** A whole input from such runs: the first arm is the base, every other is gated. */
export function summaryInput(
  arms: readonly string[],
  runs: readonly ReturnType<typeof harmRun>[],
  over: Partial<SummaryInput> = {},
): SummaryInput {
  return {
    arms: arms.map((name) => ({ name, training: null, gated: true })),
    baseArm: arms[0]!,
    items: runs.flatMap(({ items }) => items),
    verdicts: runs.flatMap(({ verdicts }) => verdicts),
    suites: runs.map(({ suite }) => suite),
    judges: runs.map(({ suite }) => judgeOf(suite.kind)),
    gate: { marginsPoints: { harm: 5, overRefusal: 5, accuracy: 5 }, strict: false },
    ...over,
  };
}

export const ids = (n: number, prefix = 'item') => Array.from({ length: n }, (_, i) => `${prefix} ${i}`);
