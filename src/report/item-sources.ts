import type { HumanRecord } from '../human-record.ts';
import type { GenerationFacts, PlannedItem, VerdictFacts } from '../outcomes.ts';
import type { ItemRecord, VerdictRecord } from '../record.ts';
import type { ReportInput } from '../report.ts';
import type { SuiteItem, SuiteKind } from '../suite.ts';
import type { HeldInput } from './held-records.ts';
import type { Judged } from './item-tags.ts';
import { type AnswerPlace, answerKey, verdictsByAnswer } from './redaction.ts';

/** What was asked of every arm in one suite, and where its answers are. */
export interface Asked {
  readonly kind: SuiteKind;
  readonly items: readonly SuiteItem[];
  /** Whether the prompts are known. */
  readonly planned: boolean;
  readonly repeats: number;
  /** Of prompts, completions and tokens: about what they weigh in a page. */
  readonly characters: number;
  /** One arm's answer to the item at a place. */
  readonly answer: (arm: string, place: number, repeat: number) => Judged;
}

/** Suite by suite: a run's records, or a replay's outcomes, which have no texts. */
export function itemSources(input: HeldInput): Asked[] {
  return input.items.length === 0 && input.rowsOf ? replayed(input, input.rowsOf) : recorded(input);
}

function recorded({ items, verdicts, suites, adjudicated }: HeldInput): Asked[] {
  if (items.length === 0) return [];
  const records = new Map(items.map((record) => [answerKey(record), record]));
  const verdictsOf = verdictsByAnswer(verdicts);
  const peopleOf = labelsByAnswer(adjudicated?.labels ?? []);
  const kinds = new Set([...suites.map(({ kind }) => kind), ...items.map(({ suite }) => suite)]);
  return [...kinds].map((kind): Asked => {
    const answers = items.filter(({ suite }) => suite === kind);
    const plan = suites.filter((suite) => suite.kind === kind).flatMap((suite) => suite.items);
    const asked = plan.length > 0 ? plan : unplanned(answers);
    const repeats = answers.reduce((most, { repeat }) => Math.max(most, repeat + 1), 1);
    const prompts = asked.reduce((sum, { judgePrompt }) => sum + judgePrompt.length, 0);
    return {
      ...{ kind, items: asked, planned: plan.length > 0, repeats },
      characters: answers.reduce((sum, record) => sum + weight(record), repeats * prompts),
      answer: (arm, place, repeat) => {
        const { id, condition } = asked[place]!;
        const own = { suite: kind, arm, id, condition, repeat };
        const record = records.get(answerKey(own));
        const facts = record ? factsOf(record) : null;
        return { record, facts, verdicts: verdictsOf(own), people: peopleOf(own) };
      },
    };
  });
}

const weight = ({ completion, logProbabilities }: ItemRecord) =>
  completion.length + 2 * (logProbabilities?.length ?? 0);

const factsOf = ({ finishReason, uncertainty, uncertaintyPaper, thinking, completion }: ItemRecord) => ({
  ...{ finishReason, uncertainty, uncertaintyPaper },
  thought: Boolean(thinking),
  answered: completion.trim() !== '',
});

/** People label the harm suite alone. */
function labelsByAnswer(labels: readonly HumanRecord[]): (answer: AnswerPlace) => readonly HumanRecord[] {
  const known = new Map<string, HumanRecord[]>();
  for (const label of labels) {
    const key = answerKey({ ...label, suite: 'harm' });
    known.set(key, [...(known.get(key) ?? []), label]);
  }
  return (answer) => known.get(answerKey(answer)) ?? [];
}

const bare = { messages: [], judgePrompt: '', answers: null };

function unplanned(records: readonly ItemRecord[]): SuiteItem[] {
  const places = new Map(
    records.map(({ id, condition }) => [JSON.stringify([id, condition]), { id, condition }]),
  );
  return [...places.values()].map((place) => ({
    ...{ ...bare, ...place },
    ...{ functionalCategory: null, semanticCategory: null },
  }));
}

/** Outcomes as somebody recorded them: ids, labels and numbers. */
function replayed({ summary }: ReportInput, rowsOf: NonNullable<ReportInput['rowsOf']>): Asked[] {
  const arms = Object.keys(summary.arms);
  const kinds = [...new Set(summary.judges.map(({ suite }) => suite))];
  return kinds.flatMap((kind): Asked[] => {
    const judges = summary.judges.filter(({ suite }) => suite === kind);
    const rows = new Map(
      arms.map((arm) => [arm, judges.map((judge) => [...rowsOf(arm, { ...judge, suite: kind })])]),
    );
    const planned = rows.get(arms[0] ?? '')?.[0] ?? [];
    const items = planned.map(({ item }): SuiteItem => ({ ...bare, ...withoutKey(item) }));
    if (items.length === 0) return [];
    return [
      {
        ...{ kind, items, planned: false, characters: 0 },
        repeats: planned[0]!.completions.length,
        answer: (arm, place, repeat) => {
          const completions = rows.get(arm)!.map((own) => own[place]!.completions[repeat]!);
          return {
            ...{ record: undefined, people: [] },
            facts: completions[0]?.record ?? null,
            verdicts: completions.flatMap(({ verdict }, at) =>
              verdict ? [verdictOf(kind, judges[at]!, verdict)] : [],
            ),
          };
        },
      },
    ];
  });
}

/** Choices and their key stand in the prompt, which is not there. */
const withoutKey = ({ key: _, ...item }: PlannedItem) => item;

/** As a run's verdicts.jsonl would have it, without what only a text could tell. */
function verdictOf(
  suite: SuiteKind,
  { name, fingerprint }: { readonly name: string; readonly fingerprint: string },
  facts: VerdictFacts<SuiteKind>,
): VerdictRecord {
  const ofText = suite === 'harm' ? { category: null, detail: null, probabilityUnsafe: null } : {};
  return {
    ...ofText,
    ...facts,
    suite,
    judge: name,
    judgeFingerprint: fingerprint,
  } as unknown as VerdictRecord;
}

/** What tags and details need of a generation beside its texts. */
export type AnswerFacts = Pick<
  GenerationFacts,
  'finishReason' | 'uncertainty' | 'uncertaintyPaper' | 'thought' | 'answered'
>;
