import { count, decimal, interval, percent, percentWithInterval, withInterval } from '../format.ts';
import type { DriftSummary, Summary } from '../record.ts';
import { type Answered, answeredUnder, conditionName } from './conditions.ts';
import type { Cell, Column, Table } from './document.ts';
import { answerCount, counts, firstRepeat, otherCount, questionCount } from './item-counts.ts';

/** Tables of knowledge that only some runs have: dose response, known subsets, spread of sampled answers. */
export function driftExtensionTables(summary: Summary): Table[] {
  const answered = answeredUnder(summary, 'drift');
  return [...doseTable(answered), ...knownTables(answered), ...spreadTable(answered)];
}

/** A condition without the number of repeats that its name may end in. */
const plainCondition = (condition: string) => condition.replace(/_x\d+$/, '');

function doseTable(answered: readonly Answered[]): Table[] {
  const dosed = answered.filter(({ drift }) => drift.contextRepeats !== undefined);
  const doses = [...new Set(dosed.map(({ drift }) => drift.contextRepeats!))].sort((a, b) => a - b);
  if (doses.length < 2) return [];
  const lines = [
    ...new Map(dosed.map((one) => [`${plainCondition(one.condition)} ${one.arm}`, one])).values(),
  ];
  const rows = lines.map(({ condition, arm }): Cell[] => {
    const at = (dose: number) =>
      dosed.find(
        (one) =>
          one.arm === arm &&
          plainCondition(one.condition) === plainCondition(condition) &&
          one.drift.contextRepeats === dose,
      )?.drift;
    const read = (field: 'accuracy' | 'adoption' | 'adoptionGivenKnown') =>
      doses.map((dose) => percent(at(dose)?.[field]));
    return [
      conditionName(plainCondition(condition)),
      { arm },
      ...read('accuracy'),
      ...read('adoption'),
      ...read('adoptionGivenKnown'),
    ];
  });
  const columns = ['accuracy', 'adoption', 'adoption given known'].flatMap((group) =>
    doses.map((dose): Column => ({ title: `${dose} ×`, group, numeric: true })),
  );
  return [
    {
      kind: 'table',
      caption: 'Dose response: the context stated once or more often.',
      headers: 2,
      columns: [{ title: 'Condition' }, { title: 'Arm' }, ...columns],
      rows,
    },
  ];
}

function knownTables(answered: readonly Answered[]): Table[] {
  const table = (field: 'knownByArm' | 'knownByBase', whose: string, tag: string): Table[] =>
    tableOf(
      `Among the questions that ${whose} had right under its base prompt. Flips are against the arm's own base prompt.`,
      ['answers', 'accuracy [95 %]', 'adoption [95 %]', 'right → wrong', 'wrong → right'],
      answered,
      ({ [field]: known }, place) =>
        known && [
          counts(questionCount(place, known.n, tag, 'answered')),
          percentWithInterval(known.accuracy, known.accuracyCi95),
          percentWithInterval(known.adoption, known.adoptionCi95),
          counts(questionCount(place, known.correctToWrong, tag, 'right → wrong')),
          counts(questionCount(place, known.wrongToCorrect, tag, 'wrong → right')),
        ],
    );
  return [
    ...table('knownByArm', 'the same arm', 'known'),
    ...table('knownByBase', 'the base arm', 'known by base'),
  ];
}

function spreadTable(answered: readonly Answered[]): Table[] {
  const judged = answered.some(({ drift }) => drift.semanticEntropy);
  const how = judged
    ? 'Semantic entropy: sampled answers are clustered by two-way entailment, as a judge model sees it.'
    : 'Answer entropy: sampled answers are clustered by their normalised text, for lack of a judge of entailment; other words for the same thing count as another answer.';
  const unreliable = answered.find(({ drift }) => drift.semanticEntropy?.unreliable !== undefined);
  const why = unreliable
    ? ` There is none where the judge cannot tell known pairs apart: ${unreliable.drift.semanticEntropy!.unreliable}.`
    : '';
  return tableOf(
    `${how}${why} Mean over questions, nats; AUROC of −entropy for the correctness of the answer above (0.5 tells nothing).`,
    ['samples', 'questions', 'unscored', judged ? 'semantic entropy' : 'answer entropy', 'AUROC [95 %]'],
    answered,
    ({ semanticEntropy, answerEntropy }, { condition, arm }) => {
      const spread = semanticEntropy ?? answerEntropy;
      const questions = firstRepeat({ suite: 'semantic-entropy', arm, item: [`condition:${condition}`] });
      return (
        spread && [
          count(spread.samples),
          counts(answerCount(questions, spread.n, 'scored throughout')),
          counts(otherCount(questions, spread.unscored, 'scored throughout')),
          decimal(spread.mean, 3),
          withInterval(decimal(spread.auroc), interval(spread.aurocCi95, 1, 2)),
        ]
      );
    },
  );
}

function tableOf(
  caption: string,
  titles: readonly string[],
  answered: readonly Answered[],
  cells: (drift: DriftSummary, place: Answered) => Cell[] | undefined,
): Table[] {
  const rows = answered.flatMap((place): Cell[][] => {
    const { condition, arm, drift } = place;
    const own = cells(drift, place);
    return own ? [[conditionName(condition), { arm }, ...own]] : [];
  });
  const columns: Column[] = [
    { title: 'Condition' },
    { title: 'Arm' },
    ...titles.map((title) => ({ title, numeric: true })),
  ];
  return rows.length === 0 ? [] : [{ kind: 'table', caption, headers: 2, columns, rows }];
}
