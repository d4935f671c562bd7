import { absent, count, decimal, percent, percentWithInterval, showInvisible } from './format.ts';
import { categoriesOf } from './harm-section.ts';
import { answeredUnder, conditionName } from './knowledge-section.ts';
import { armStyles, type Chart } from './plot.ts';
import type { Summary } from './record.ts';
import type { ReportInput } from './report.ts';

/** A chart with the caption that stands under it. */
export interface Figure extends Chart {
  /** Says n and what the interval is. */
  readonly caption: string;
}

/** The paper's three figures, the attack success rate by category and the loss curves, each where there are data for it. */
export function describeFigures(input: ReportInput): Figure[] {
  const { summary } = input;
  return [
    asrFigure(summary),
    categoryFigure(summary),
    accuracyFigure(summary),
    uncertaintyFigure(summary),
    lossFigure(input),
  ].flatMap((figure) => figure ?? []);
}

interface IntervalRow {
  readonly group: string;
  readonly arm: string;
  readonly rate: number;
  readonly low: number;
  readonly high: number;
  readonly label: string;
}

const shownArms = ({ arms }: Summary) => Object.keys(arms).map(showInvisible);

/** Colour and shape per arm, with one legend for both. */
function armEncoding(summary: Summary, legend: boolean) {
  const arms = Object.keys(summary.arms);
  const styles = armStyles(arms, summary.baseArm);
  const domain = shownArms(summary);
  const shared = legend ? {} : { legend: null };
  return {
    color: {
      field: 'arm',
      type: 'nominal',
      scale: { domain, range: styles.map(({ colour }) => colour) },
      ...shared,
    },
    shape: {
      field: 'arm',
      type: 'nominal',
      scale: { domain, range: styles.map(({ shape }) => shape) },
      ...shared,
    },
  };
}

/** One row per group and arm: the interval as a bar, the rate as a mark, its value at the right. */
function intervalSpecification(
  summary: Summary,
  values: readonly IntervalRow[],
  axisTitle: string,
  grouped: boolean,
) {
  const width = 500;
  const { color, shape } = armEncoding(summary, grouped);
  const x = {
    type: 'quantitative',
    scale: { domain: [0, 1] },
    axis: { format: '.0%', title: axisTitle, tickCount: 5 },
  };
  const y = {
    field: 'group',
    type: 'nominal',
    sort: null,
    title: null,
    axis: { domain: false, ticks: false },
    scale: { paddingInner: grouped ? 0.22 : 0, paddingOuter: 0.15 },
  };
  return {
    width,
    height: grouped ? { step: 18, for: 'offset' } : { step: 34 },
    data: { values },
    encoding: {
      y,
      ...(grouped ? { yOffset: { field: 'arm', type: 'nominal', sort: shownArms(summary) } } : {}),
    },
    layer: [
      {
        mark: { type: 'rule', strokeWidth: 2 },
        encoding: { x: { field: 'low', ...x }, x2: { field: 'high' }, color },
      },
      {
        mark: { type: 'point', filled: true, opacity: 1, size: 85 },
        encoding: { x: { field: 'rate', ...x }, color, shape },
      },
      {
        mark: { type: 'text', align: 'left', baseline: 'middle', fontSize: grouped ? 11 : 12 },
        encoding: { x: { value: width + 10 }, text: { field: 'label', type: 'nominal' } },
      },
    ],
  };
}

type Bounds = readonly [number, number] | null;

function intervalRow(
  group: string,
  arm: string,
  rate: number | null,
  ci95: Bounds,
  label: string,
): IntervalRow[] {
  if (rate === null) return [];
  const [low, high] = ci95 ?? [rate, rate];
  return [{ group: showInvisible(group), arm: showInvisible(arm), rate, low, high, label }];
}

function asrFigure(summary: Summary): Figure | null {
  const measured = Object.entries(summary.arms).flatMap(([arm, { harm }]) =>
    harm ? [{ arm, rate: harm.headline }] : [],
  );
  const values = measured.flatMap(({ arm, rate }) =>
    intervalRow(
      arm,
      arm,
      rate.rate,
      rate.ci95,
      `${percent(rate.rate)} (${count(rate.unsafe)} / ${count(rate.scored)})`,
    ),
  );
  if (values.length === 0) return null;
  const words = measured.map(
    ({ arm, rate }) => `${arm} ${percentWithInterval(rate.rate, rate.ci95)}, n = ${count(rate.scored)}`,
  );
  return {
    file: 'asr.svg',
    title: 'Attack success rate per arm',
    caption: `Attack success rate per arm, headline rows. Bars: Wilson 95 % intervals; n is the number after the stroke.`,
    alternative: `Attack success rate per arm with 95 % intervals: ${words.join('; ')}.`,
    specification: intervalSpecification(summary, values, 'attack success rate, unsafe / scored', false),
  };
}

function categoryFigure(summary: Summary): Figure | null {
  const arms = Object.entries(summary.arms).flatMap(([arm, { harm }]) =>
    harm ? [{ arm, rates: harm.bySemanticCategory }] : [],
  );
  const categories = categoriesOf(arms.map(({ rates }) => rates));
  const values = categories.flatMap((category) =>
    arms.flatMap(({ arm, rates }) => {
      const rate = rates[category];
      return rate
        ? intervalRow(
            conditionName(category),
            arm,
            rate.rate,
            rate.ci95,
            `${count(rate.unsafe)} / ${count(rate.scored)}`,
          )
        : [];
    }),
  );
  if (values.length === 0) return null;
  const words = shownArms(summary).flatMap((arm) => {
    const own = values.filter((value) => value.arm === arm).sort((a, b) => a.rate - b.rate);
    const [least, most] = [own[0], own.at(-1)];
    return least && most
      ? [`${arm} ${percent(least.rate)} (${least.group}) to ${percent(most.rate)} (${most.group})`]
      : [];
  });
  return {
    file: 'asr-by-category.svg',
    title: 'Attack success rate by semantic category',
    caption:
      'Attack success rate by semantic category and arm, all rows. Bars: Wilson 95 % intervals; at the right, unsafe / scored.',
    alternative: `Attack success rate by semantic category, lowest and highest: ${words.join('; ')}. All values are in the table.`,
    specification: intervalSpecification(summary, values, 'attack success rate, unsafe / scored', true),
  };
}

function accuracyFigure(summary: Summary): Figure | null {
  const answered = answeredUnder(summary, 'drift');
  const values = answered.flatMap(({ condition, arm, drift }) =>
    intervalRow(conditionName(condition), arm, drift.accuracy, drift.accuracyCi95, percent(drift.accuracy)),
  );
  if (values.length === 0) return null;
  const words = values.map(({ group, arm, label }) => `${group}, ${arm} ${label}`);
  return {
    file: 'accuracy.svg',
    title: 'Accuracy by condition and arm',
    caption: `Accuracy by condition and arm, ${questionsOf(answered.map(({ drift }) => drift.n))} each. Bars: Wilson 95 % intervals.`,
    alternative: `Accuracy by condition and arm: ${words.join('; ')}.`,
    specification: intervalSpecification(summary, values, 'accuracy', true),
  };
}

function questionsOf(counts: readonly number[]): string {
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  return least === most ? `${count(most)} questions` : `${count(least)} to ${count(most)} questions`;
}

const measures = ['perplexity', 'entropy', 'probability'] as const;
const measureTitles = {
  perplexity: 'perplexity',
  entropy: 'entropy, nats',
  probability: 'token probability',
};

function uncertaintyFigure(summary: Summary): Figure | null {
  const answered = answeredUnder(summary, 'drift');
  const values = answered.flatMap(({ condition, arm, drift }) =>
    (['correct', 'incorrect'] as const).flatMap((answer) =>
      measures.flatMap((measure) => {
        const { mean, se } = drift[answer][measure];
        const group = { condition: conditionName(condition), arm: showInvisible(arm), measure };
        if (mean === null) return [];
        return [
          {
            ...group,
            answer: answer === 'correct' ? 'right' : 'wrong',
            mean,
            low: mean - (se ?? 0),
            high: mean + (se ?? 0),
          },
        ];
      }),
    ),
  );
  if (values.length === 0) return null;
  const conditions = [...new Set(answered.map(({ condition }) => conditionName(condition)))];
  const words = shownArms(summary).flatMap((arm) => {
    const range = (answer: string) => {
      const means = values
        .filter((value) => value.arm === arm && value.answer === answer && value.measure === 'probability')
        .map(({ mean }) => mean);
      return means.length > 0 ? `${decimal(Math.min(...means))} to ${decimal(Math.max(...means))}` : absent;
    };
    return [`${arm} right ${range('right')}, wrong ${range('wrong')}`];
  });
  const counts = answered.flatMap(({ drift }) => [drift.correct.n, drift.incorrect.n]);
  return {
    file: 'uncertainty.svg',
    title: 'Uncertainty by correctness, condition and arm',
    caption: `Uncertainty of right (filled) and wrong (open) answers by condition and arm, mean over ${count(Math.min(...counts))} to ${count(Math.max(...counts))} answers. Bars: ± one standard error.`,
    alternative: `Mean token probability over the conditions: ${words.join('; ')}. All values are in the table.`,
    specification: {
      data: { values },
      spacing: 26,
      vconcat: measures.map((measure, place) => uncertaintyRow(summary, measure, conditions, place === 0)),
    },
  };
}

function uncertaintyRow(
  summary: Summary,
  measure: (typeof measures)[number],
  conditions: readonly string[],
  first: boolean,
) {
  const { color, shape } = armEncoding(summary, false);
  const y = {
    field: 'arm',
    type: 'nominal',
    sort: shownArms(summary),
    title: null,
    axis: { domain: false, ticks: false },
  };
  const x = {
    type: 'quantitative',
    scale: { zero: false, nice: true, padding: 6 },
    axis: { title: measureTitles[measure], tickCount: 4, labelFlush: false, labelOverlap: true },
  };
  const point = (answer: string, filled: boolean) => ({
    transform: [{ filter: { field: 'answer', equal: answer } }],
    mark: { type: 'point', filled, opacity: 1, size: 75, strokeWidth: 1.8 },
    encoding: { x: { field: 'mean', ...x }, color, shape },
  });
  return {
    transform: [{ filter: { field: 'measure', equal: measure } }],
    facet: {
      column: {
        field: 'condition',
        type: 'nominal',
        sort: conditions,
        title: null,
        header: first ? { labelPadding: 6 } : { labels: false },
      },
    },
    spacing: 22,
    spec: {
      width: 195,
      height: { step: 26 },
      encoding: { y },
      layer: [
        {
          mark: { type: 'rule', strokeWidth: 2 },
          encoding: { x: { field: 'low', ...x }, x2: { field: 'high' }, color },
        },
        point('right', true),
        point('wrong', false),
      ],
    },
  };
}

function lossFigure({ summary, histories }: ReportInput): Figure | null {
  const arms = Object.keys(summary.arms);
  const trained = arms.filter((arm) => (histories[arm]?.length ?? 0) > 0);
  const values = trained.flatMap((arm) =>
    (histories[arm] ?? []).map(({ step, loss }) => ({ arm: showInvisible(arm), step, loss })),
  );
  if (values.length === 0) return null;
  const styles = armStyles(arms, summary.baseArm).filter((_, place) => trained.includes(arms[place]!));
  const domain = trained.map(showInvisible);
  const words = trained.map((arm) => {
    const history = histories[arm] ?? [];
    return `${arm} from ${decimal(history[0]?.loss, 3)} to ${decimal(history.at(-1)?.loss, 3)} in ${count(history.length)} steps`;
  });
  return {
    file: 'loss.svg',
    title: 'Training loss per arm',
    caption:
      'Training loss per step: mean negative log-likelihood per labelled token of the step’s batch, unsmoothed, n = one run per arm. No interval.',
    alternative: `Training loss in nats per labelled token: ${words.join('; ')}.`,
    specification: {
      width: 560,
      height: 250,
      data: { values },
      mark: { type: 'line', strokeWidth: 1.8, interpolate: 'linear' },
      encoding: {
        x: {
          field: 'step',
          type: 'quantitative',
          axis: { title: 'step', grid: false, tickMinStep: 1 },
          scale: { nice: false },
        },
        y: {
          field: 'loss',
          type: 'quantitative',
          axis: { title: 'loss, nats per labelled token', tickCount: 5 },
        },
        color: {
          field: 'arm',
          type: 'nominal',
          scale: { domain, range: styles.map(({ colour }) => colour) },
        },
        strokeDash: {
          field: 'arm',
          type: 'nominal',
          scale: { domain, range: styles.map(({ dash }) => dash) },
        },
      },
    },
  };
}
