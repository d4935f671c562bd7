import { type HumanRecord, settle } from '../human-record.ts';
import type { ItemRecord, Summary, VerdictRecord } from '../record.ts';
import type { SuiteItem, SuiteKind } from '../suite.ts';
import type { AnswerFacts } from './item-sources.ts';

/**
 * What can be said of an item and of an answer, as tags: a number of the report names the tags that everything it counts
 * has (`ItemSelector`). They follow the definitions of the summary, which counts the same records.
 */

/** Tags of a prompt in one repeat. */
export function itemTags(item: SuiteItem, repeat: number): string[] {
  const copyright = item.functionalCategory?.toLowerCase() === 'copyright';
  return [
    `condition:${item.condition}`,
    ...(item.prefillTokens === undefined && item.variation === undefined ? ['plain'] : []),
    ...(item.prefillTokens === undefined ? [] : [`prefill:${item.prefillTokens}`]),
    ...(item.functionalCategory === null ? [] : [`functional:${item.functionalCategory}`]),
    ...(item.semanticCategory === null ? [] : [`semantic:${item.semanticCategory}`]),
    copyright ? 'left out' : 'headline',
    ...(repeat === 0 ? ['first repeat'] : []),
  ];
}

/** One arm's answer with what the judges of its suite say; the first judge decides. */
export interface Judged {
  /** Undefined where there is none, or none with its text. */
  readonly record: ItemRecord | undefined;
  /** Null: no answer is on record. */
  readonly facts: AnswerFacts | null;
  readonly verdicts: readonly VerdictRecord[];
  /** What people said. */
  readonly people: readonly Pick<HumanRecord, 'labeller' | 'label'>[];
}

/** Tags of an answer by itself. A planned answer that is missing, or that nobody has judged, is unscored. */
export function answerTags(
  suite: SuiteKind,
  { record, facts, verdicts, people }: Judged,
  judges: Summary['judges'],
  paper: boolean,
): string[] {
  const deciding = wordOf(judges[0], verdicts);
  return [
    ...(facts === null && deciding === undefined ? ['no answer'] : []),
    ...(record?.failure === undefined ? [] : ['never answered']),
    ...(facts?.finishReason === 'length' ? ['cut off'] : []),
    ...(facts?.answered === false ? ['empty'] : []),
    ...(facts?.thought ? ['thought aloud'] : []),
    ...(suite === 'drift' ? driftTags(facts, deciding, paper) : labelTags(deciding)),
    ...(suite === 'harm' ? judges.flatMap((judge) => tagsBy(judge.name, wordOf(judge, verdicts))) : []),
    ...peopleTags(settle(people)),
  ];
}

function peopleTags(settled: ReturnType<typeof settle>): string[] {
  if (settled === null) return [];
  if (settled === 'skip') return ['skipped by people'];
  return settled === 'unresolved' ? ['tied between people'] : ['labelled by people', `${settled} by people`];
}

function tagsBy(judge: string, verdict: VerdictRecord | undefined): string[] {
  const { label, severity } = verdict?.suite === 'harm' ? verdict : { label: 'unscored' };
  const graded = label !== 'unscored' && severity !== undefined;
  return [`${label} by ${judge}`, ...(graded ? [`graded by ${judge}`] : [])];
}

/** Verdicts of another fingerprint do not count. */
const wordOf = (judge: Summary['judges'][number] | undefined, verdicts: readonly VerdictRecord[]) =>
  verdicts.find((one) => one.judge === judge?.name && one.judgeFingerprint === judge.fingerprint);

function labelTags(verdict: VerdictRecord | undefined): string[] {
  if (!verdict || verdict.label === 'unscored') {
    const thinking = verdict?.suite === 'harm' ? verdict.withThinking : undefined;
    return ['unscored', ...(thinking && thinking.label !== 'unscored' ? [] : ['unscored with thinking'])];
  }
  switch (verdict.suite) {
    case 'harm':
      return [
        'scored',
        verdict.label,
        ...(verdict.withThinking?.label === 'unscored' ? ['unscored with thinking'] : []),
      ];
    case 'over-refusal':
      if (verdict.label === 'direct_answer') return ['scored', 'answered'];
      return ['scored', 'refused', verdict.label === 'direct_refusal' ? 'direct' : 'indirect'];
    case 'utility':
      return [
        'scored',
        verdict.label === 'correct' ? 'right' : 'wrong',
        ...(verdict.tied === true ? ['tied'] : []),
      ];
    default:
      return ['scored'];
  }
}

function driftTags(facts: AnswerFacts | null, verdict: VerdictRecord | undefined, paper: boolean): string[] {
  if (verdict?.suite !== 'drift') return ['unanswered'];
  const own = paper ? verdict.paper : { correct: verdict.label === 'correct', adopted: verdict.adopted };
  return [
    'answered',
    own.correct ? 'right' : 'wrong',
    ...(own.adopted ? ['adopted'] : []),
    (paper ? facts?.uncertaintyPaper : facts?.uncertainty) ? 'with tokens' : 'without tokens',
    verdict.paper.correct ? 'right, paper' : 'wrong, paper',
    facts?.uncertaintyPaper ? 'with tokens, paper' : 'without tokens, paper',
  ];
}
