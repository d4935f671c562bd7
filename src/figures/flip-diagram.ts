import { flagsBefore, isAdopted, isRight, knownOf } from '../drift-answers.ts';
import { count, showInvisible } from '../format.ts';
import { conditionName } from '../report/conditions.ts';
import type { ReportInput } from '../report.ts';
import { shownArms } from './arm-encoding.ts';
import type { Figure } from './figure.ts';
import { type AnswersUnder, answersUnder } from './joined-outcomes.ts';

/** What became of an answer under a context; one that holds both answers is right. From light to dark, so that paper tells them apart. */
const outcomes = [
  { outcome: 'right', fill: '#cfe3f2' },
  { outcome: 'other wrong answer', fill: '#e3a04f' },
  { outcome: 'the context’s wrong answer', fill: '#7a2f00' },
] as const;
const befores = ['known', 'not known'] as const;

interface Flow {
  readonly condition: string;
  readonly arm: string;
  readonly before: (typeof befores)[number];
  readonly outcome: (typeof outcomes)[number]['outcome'];
  readonly answers: number;
}

/** From what each arm knew under its own base prompt to what it says under each context; null without single answers. */
export function flipDiagram(input: ReportInput): Figure | null {
  const rows = answersUnder(input)
    .filter(({ condition }) => condition !== 'base_prompt')
    .flatMap(flowsOf);
  if (rows.length === 0) return null;
  const words = rows
    .filter(({ before, outcome }) => before === 'known' && outcome !== 'right')
    .map(
      ({ condition, arm, outcome, answers }) =>
        `${conditionName(condition)}, ${arm}: ${count(answers)} from known to ${outcome}`,
    );
  const totals = new Set(rows.map((row) => totalOf(rows, row)));
  return {
    file: 'flips.svg',
    title: 'What became of known and unknown answers under each context',
    caption: `Answers under each context, by whether the same arm had the question right under its base prompt (known) and by what it says now; n = ${[
      ...totals,
    ]
      .sort((a, b) => a - b)
      .map(count)
      .join(
        ' or ',
      )} answers per arm and condition. Counts, no interval. An answer that holds both the right and the context’s wrong answer counts as right.`,
    alternative: `Flips per condition and arm: ${words.join('; ')}.`,
    specification: specificationOf(input, rows),
    rows: rows.map((row) => ({ ...row })),
  };
}

/** How many answers of one arm under one condition are in the figure. */
const totalOf = (rows: readonly Flow[], { condition, arm }: Flow) =>
  rows
    .filter((row) => row.condition === condition && row.arm === arm)
    .reduce((sum, { answers }) => sum + answers, 0);

function flowsOf({ condition, arm, answers, base }: AnswersUnder): Flow[] {
  if (!base) return [];
  const known = knownOf(base, answers);
  const counts = new Map<string, number>();
  for (let at = 0; at < answers.flags.length; at++) {
    const [flags, earlier] = [
      answers.flags[at]!,
      flagsBefore(known, Math.floor(at / answers.repeats), at % answers.repeats),
    ];
    if (flags === 0 || earlier === 0) continue;
    const outcome = outcomes[isRight(flags) ? 0 : isAdopted(flags) ? 2 : 1].outcome;
    const key = `${isRight(earlier) ? 'known' : 'not known'} ${outcome}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  if (counts.size === 0) return [];
  return befores.flatMap((before) =>
    outcomes.map(({ outcome }) => ({
      condition,
      arm,
      before,
      outcome,
      answers: counts.get(`${before} ${outcome}`) ?? 0,
    })),
  );
}

const width = 270;
/** A number is written where there is room for it. */
const pixelsPerDigit = 8;

function specificationOf({ summary }: ReportInput, rows: readonly Flow[]) {
  const widest = Math.max(
    ...rows.map((row) =>
      rows
        .filter(
          ({ condition, arm, before }) =>
            condition === row.condition && arm === row.arm && before === row.before,
        )
        .reduce((sum, { answers }) => sum + answers, 0),
    ),
  );
  let end = 0;
  const values = rows.map(({ condition, arm, before, outcome, answers }) => {
    const start = outcome === 'right' ? 0 : end;
    end = start + answers;
    const room = (answers / widest) * width > pixelsPerDigit * (count(answers).length + 0.5);
    return {
      condition: conditionName(condition),
      arm: showInvisible(arm),
      before: before === 'known' ? 'known under the base prompt' : 'not known under the base prompt',
      outcome,
      start,
      end,
      middle: (start + end) / 2,
      dark: outcome === outcomes[2].outcome,
      label: room ? count(answers) : '',
    };
  });
  const x = {
    type: 'quantitative',
    axis: { title: 'answers', tickCount: 5 },
    scale: { domain: [0, widest] },
  };
  const scale = {
    domain: outcomes.map(({ outcome }) => outcome),
    range: outcomes.map(({ fill }) => fill),
  };
  return {
    data: { values: values.filter(({ start, end: to }) => to > start) },
    facet: {
      row: {
        field: 'condition',
        type: 'nominal',
        sort: [...new Set(values.map(({ condition }) => condition))],
        title: null,
        header: { labelOrient: 'top', labelAnchor: 'start', labelPadding: 4, labelFontWeight: 'normal' },
      },
      column: { field: 'before', type: 'nominal', sort: null, title: null },
    },
    spacing: { row: 16, column: 24 },
    spec: {
      width,
      height: { step: 24 },
      encoding: {
        y: {
          field: 'arm',
          type: 'nominal',
          sort: shownArms(summary),
          title: null,
          axis: { domain: false, ticks: false },
        },
      },
      layer: [
        {
          mark: { type: 'bar', height: 17, stroke: 'currentColor', strokeWidth: 0.5 },
          encoding: {
            x: { field: 'start', ...x },
            x2: { field: 'end' },
            color: { field: 'outcome', type: 'nominal', scale, legend: { labelLimit: 260 } },
          },
        },
        {
          mark: { type: 'text', baseline: 'middle', fontSize: 11 },
          encoding: {
            x: { field: 'middle', ...x },
            text: { field: 'label', type: 'nominal' },
            color: { condition: { test: 'datum.dark', value: '#ffffff' }, value: '#1b1f24' },
          },
        },
      ],
    },
  };
}
