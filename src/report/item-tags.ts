import type { ItemRecord, Summary, VerdictRecord } from '../record.ts';
import type { SuiteItem, SuiteKind } from '../suite.ts';

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
  readonly record: ItemRecord | undefined;
  readonly verdicts: readonly VerdictRecord[];
}

/** Tags of an answer by itself. A planned answer that is missing, or that nobody has judged, is unscored. */
export function answerTags(
  suite: SuiteKind,
  { record, verdicts }: Judged,
  judges: Summary['judges'],
  paper: boolean,
): string[] {
  const deciding = wordOf(judges[0], verdicts);
  return [
    ...(record?.finishReason === 'length' ? ['cut off'] : []),
    ...(record && record.completion.trim() === '' ? ['empty'] : []),
    ...(record?.thinking ? ['thought aloud'] : []),
    ...(suite === 'drift' ? driftTags(record, deciding, paper) : labelTags(deciding)),
    ...(suite === 'harm'
      ? judges.map((judge) => `${wordOf(judge, verdicts)?.label ?? 'unscored'} by ${judge.name}`)
      : []),
  ];
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

function driftTags(
  record: ItemRecord | undefined,
  verdict: VerdictRecord | undefined,
  paper: boolean,
): string[] {
  if (verdict?.suite !== 'drift') return ['unanswered'];
  const own = paper ? verdict.paper : { correct: verdict.label === 'correct', adopted: verdict.adopted };
  return [
    'answered',
    own.correct ? 'right' : 'wrong',
    ...(own.adopted ? ['adopted'] : []),
    (paper ? record?.uncertaintyPaper : record?.uncertainty) ? 'with tokens' : 'without tokens',
    verdict.paper.correct ? 'right, paper' : 'wrong, paper',
    record?.uncertaintyPaper ? 'with tokens, paper' : 'without tokens, paper',
  ];
}

/** What an answer under a context is beside the answers to the same question without one. `before`: tags under the base prompt. */
export function changeTags(
  tags: readonly string[],
  before: readonly string[],
  beforeOfBase: readonly string[],
): string[] {
  const turns = (from: string, to: string) => before.includes(from) && tags.includes(to);
  return [
    ...(before.includes('right') ? ['known'] : []),
    ...(beforeOfBase.includes('right') ? ['known by base'] : []),
    ...(turns('right', 'wrong') ? ['right → wrong'] : []),
    ...(turns('wrong', 'right') ? ['wrong → right'] : []),
    ...(turns('right, paper', 'wrong, paper') ? ['right → wrong, paper'] : []),
    ...(turns('wrong, paper', 'right, paper') ? ['wrong → right, paper'] : []),
  ];
}
