import {
  absent,
  decimal,
  interval,
  percent,
  percentWithInterval,
  pointsWithInterval,
  pValue,
  withInterval,
} from '../format.ts';
import type { PairedDrift, Summary, UncertaintySplit } from '../record.ts';
import { type Answered, answeredUnder, conditionName } from './conditions.ts';
import type { Block, Cell, Column, FigureReference, ItemCount, Section, Table } from './document.ts';
import { driftExtensionTables } from './drift-extensions.ts';
import { answerCount, counts, firstRepeat, pairCells, questionCount } from './item-counts.ts';
import { driftIntervalName, testCaption, testP } from './paired-test.ts';

type FigureOf = (file: string) => FigureReference[];

function conditionTable(
  caption: string,
  columns: readonly Column[],
  answered: readonly Answered[],
  cells: (answered: Answered) => Cell[],
): Table[] {
  if (answered.length === 0) return [];
  return [
    {
      kind: 'table',
      caption,
      headers: 2,
      columns: [{ title: 'Condition' }, { title: 'Arm' }, ...columns],
      rows: answered.map((row) => [conditionName(row.condition), { arm: row.arm }, ...cells(row)]),
    },
  ];
}

/** Accuracy by condition, adoption of the false context's answer, flips. */
export function knowledgeSection(summary: Summary, figure: FigureOf): Section {
  const answered = answeredUnder(summary, 'drift');
  const blocks: Block[] = [];
  if (answered.length > 0) {
    blocks.push(
      ...figure('accuracy.svg'),
      ...accuracyTable(summary, answered),
      ...figure('adoption.svg'),
      ...adoptionTable(answered),
      ...figure('flips.svg'),
      ...flipExcessTable(summary),
      ...figure('dose-response.svg'),
    );
    blocks.push(...driftExtensionTables(summary), ...otherCodingsTable(summary, answered));
  }
  return { id: 'knowledge', title: 'Knowledge', blocks };
}

type Place = Pick<Answered, 'condition' | 'arm'>;

/** Gained, lost, dropped. */
function changeCells({ condition, arm }: Place, base: string, paired: PairedDrift): Cell[] {
  const [toWorse, toBetter, , dropped] = pairCells(
    { suite: 'drift', arm, item: [`condition:${condition}`] },
    base,
    paired,
    {
      toWorse: [paired.lost, 'wrong', 'right'],
      toBetter: [paired.gained, 'right', 'wrong'],
      paired: 'answered',
    },
  );
  return [toBetter!, toWorse!, dropped!];
}

function accuracyTable(summary: Summary, answered: readonly Answered[]): Table[] {
  const columns = [
    { title: 'answers', numeric: true },
    { title: 'accuracy [95 %]', numeric: true },
    { title: 'difference, points [95 %]', numeric: true },
    { title: 'p', numeric: true },
    { title: 'p, Holm', numeric: true },
    { title: 'gained', numeric: true },
    { title: 'lost', numeric: true },
    { title: 'dropped', numeric: true },
  ];
  const caption = `Accuracy by condition, ${driftIntervalName(summary)} 95 % intervals; paired difference to ${summary.baseArm} under the same condition, ${testCaption(Object.values(summary.comparisons).flatMap(({ drift }) => Object.values(drift ?? {})))}. Gained and lost count questions.`;
  return conditionTable(caption, columns, answered, ({ condition, arm, drift }) => {
    const paired = summary.comparisons[arm]?.drift?.[condition];
    return [
      counts(questionCount({ condition, arm }, drift.n, 'answered')),
      percentWithInterval(drift.accuracy, drift.accuracyCi95),
      pointsWithInterval(paired?.deltaAccuracyPoints, paired?.ci95Points),
      paired ? testP(paired) : absent,
      pValue(paired?.mcnemarPHolm),
      ...(paired ? changeCells({ condition, arm }, summary.baseArm, paired) : [absent, absent, absent]),
    ];
  });
}

function adoptionTable(answered: readonly Answered[]): Table[] {
  const columns = [
    { title: 'adoption [95 %]', numeric: true },
    { title: 'adoption given known', numeric: true },
    { title: 'right → wrong', numeric: true },
    { title: 'wrong → right', numeric: true },
  ];
  const caption =
    "Adoption: the answer holds the wrong answer that the false context supports. Given known: among questions the same arm had right under its base prompt. Flips count answers against the arm's own base prompt.";
  return conditionTable(caption, columns, answered, ({ condition, arm, drift }) => [
    percentWithInterval(drift.adoption, drift.adoptionCi95),
    percent(drift.adoptionGivenKnown),
    counts(questionCount({ condition, arm }, drift.correctToWrong, 'right → wrong')),
    counts(questionCount({ condition, arm }, drift.wrongToCorrect, 'wrong → right')),
  ]);
}

/** Nothing of a replay, whose answers are coded one way alone. */
function otherCodingsTable(summary: Summary, answered: readonly Answered[]): Table[] {
  const coded = ({ arm, condition, drift }: Answered) =>
    drift.exactMatch !== null || drift.tokenF1 !== null || summary.arms[arm]?.driftPaper?.[condition];
  if (!answered.some(coded)) return [];
  const columns = [
    { title: 'exact match', numeric: true },
    { title: 'token F1', numeric: true },
    { title: 'accuracy, paper [95 %]', numeric: true },
    { title: 'adoption, paper [95 %]', numeric: true },
  ];
  const caption =
    'The same answers coded in other ways: exact match and token F1 after normalisation; and as the paper coded them, by a lower-cased substring.';
  return conditionTable(caption, columns, answered, ({ condition, arm, drift }) => {
    const paper = summary.arms[arm]?.driftPaper?.[condition];
    return [
      percent(drift.exactMatch),
      decimal(drift.tokenF1),
      percentWithInterval(paper?.accuracy, paper?.accuracyCi95),
      percentWithInterval(paper?.adoption, paper?.adoptionCi95),
    ];
  });
}

const underRandom = (arm: string) => ({ suite: 'drift', arm, item: ['condition:random_context'] }) as const;

function flipExcessTable(summary: Summary): Table[] {
  const rows = Object.entries(summary.arms).flatMap(([arm, { flipExcess }]): Cell[][] =>
    flipExcess
      ? [
          [
            { arm },
            counts(answerCount(firstRepeat(underRandom(arm)), flipExcess.known, 'in the flip excess')),
            pointsWithInterval(flipExcess.points, flipExcess.ci95Points),
          ],
        ]
      : [],
  );
  if (rows.length === 0) return [];
  return [
    {
      kind: 'table',
      caption:
        'Flip excess: right → wrong under a false context beyond right → wrong under a random one, among the questions the arm knew.',
      headers: 1,
      columns: [
        { title: 'Arm' },
        { title: 'questions known', numeric: true },
        { title: 'excess, points [95 %]', numeric: true },
      ],
      rows,
    },
  ];
}

const modes = [
  ['drift', "Default mode: the sampled tokens' probabilities over the whole answer."],
  ['driftPaper', "Paper mode: the largest token's probability, the last position left out."],
] as const;

/** The mode an arm's own records declare outranks the field they lie in: replayed outcomes are in paper mode. */
function modeSentence(answered: readonly Answered[], otherwise: string): string {
  return answered[0]?.drift.mode === 'paper' ? modes[1][1] : otherwise;
}

/** Table 5 of the paper: uncertainty split by whether the answer is right. */
export function uncertaintySection(summary: Summary, figure: FigureOf): Section {
  const tables = modes.flatMap(([field, sentence]) => {
    const answered = answeredUnder(summary, field);
    const split = (group: string): Column[] =>
      ['n', 'perplexity', 'entropy', 'probability'].map((title) => ({ title, group, numeric: true }));
    const caption = `Uncertainty by correctness, mean ± standard error over answers; entropy in nats over the ten largest probabilities. ${modeSentence(answered, sentence)}`;
    return conditionTable(
      caption,
      [...split('right answers'), ...split('wrong answers')],
      answered,
      ({ condition, arm, drift }) => {
        const mode = field === 'driftPaper' ? ', paper' : '';
        const half = (word: string, own: UncertaintySplit) =>
          splitCells(
            own,
            questionCount({ condition, arm }, own.n, 'answered', `${word}${mode}`, `with tokens${mode}`),
          );
        return [...half('right', drift.correct), ...half('wrong', drift.incorrect)];
      },
    );
  });
  return {
    id: 'uncertainty',
    title: 'Uncertainty',
    blocks: tables.length > 0 ? [...figure('uncertainty.svg'), ...tables] : [],
  };
}

function splitCells({ perplexity, entropy, probability }: UncertaintySplit, n: ItemCount): Cell[] {
  return [
    counts(n),
    ...[perplexity, entropy, probability].map(({ mean, se }) =>
      se === null ? decimal(mean, 3) : `${decimal(mean, 3)} ± ${decimal(se, 3)}`,
    ),
  ];
}

/** Whether confidence tells right from wrong. */
export function calibrationSection(summary: Summary, figure: FigureOf): Section {
  const blocks = modes.flatMap(([field, sentence]) => {
    const answered = answeredUnder(summary, field);
    const bins = answered[0]?.drift.eceBins ?? 10;
    // Answers that no number can be given for: counted, in no mean.
    const bareOf = ({ n, correct, incorrect }: Answered['drift']) => n - correct.n - incorrect.n;
    const bare = answered.map(({ drift }) => bareOf(drift));
    const recalibrated = answered.some(({ drift }) => drift.eceRecalibrated !== undefined);
    const columns = [
      'AUROC [95 %]',
      'risk–coverage area',
      'ECE',
      'ECE, equal mass',
      'Brier',
      ...(recalibrated ? ['ECE, recalibrated', 'Brier, recalibrated'] : []),
      'mass beyond top ten',
      ...(bare.some((n) => n > 0) ? ['without tokens'] : []),
    ].map((title) => ({
      title,
      numeric: true,
    }));
    const caption = `Confidence (${answered[0]?.drift.confidence}) against correctness. AUROC: 0.5 tells nothing. Risk–coverage area: mean error rate over coverages, most confident first. ECE (${bins} bins) and Brier describe only: a length-normalised probability is not a probability of being right.${recalibrated ? ' Recalibrated: after isotonic regression fitted to the answers to other questions, five folds.' : ''} ${modeSentence(answered, sentence)}`;
    return conditionTable(caption, columns, answered, ({ condition, arm, drift }) => [
      withInterval(decimal(drift.auroc), interval(drift.aurocCi95, 1, 2)),
      decimal(drift.riskCoverageArea, 3),
      decimal(drift.ece),
      decimal(drift.eceEqualMass),
      decimal(drift.brier),
      ...(recalibrated ? [decimal(drift.eceRecalibrated), decimal(drift.brierRecalibrated)] : []),
      decimal(drift.truncatedMass, 3),
      ...(bare.some((n) => n > 0)
        ? [
            counts(
              questionCount(
                { condition, arm },
                bareOf(drift),
                `without tokens${field === 'driftPaper' ? ', paper' : ''}`,
              ),
            ),
          ]
        : []),
    ]);
  });
  const figures = blocks.length > 0 ? [...figure('reliability.svg'), ...figure('roc.svg')] : [];
  return { id: 'calibration', title: 'Calibration', blocks: [...figures, ...blocks] };
}
