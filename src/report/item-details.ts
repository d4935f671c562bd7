import { decimal, percent, plural } from '../format.ts';
import { sha256 } from '../hash.ts';
import type { ItemRecord, VerdictRecord } from '../record.ts';
import type { SuiteItem } from '../suite.ts';
import type { ItemEntry } from './item-entries.ts';
import type { Judged } from './item-tags.ts';
import type { AnswerDetail, ItemDetail, VerdictDetail } from './page-data.ts';
import type { Redaction } from './redaction.ts';

/** Everything that a report shows of one entry; what is redacted is not in it. */
export function itemDetail({ suite, item, planned, answers }: ItemEntry, redaction: Redaction): ItemDetail {
  const hidden = redaction.hidesPrompt(suite, item.id);
  return {
    prompt: planned && !hidden ? item.judgePrompt : null,
    ...(planned &&
      hidden && {
        redacted: `${plural(lengthOf(item.judgePrompt), 'character')} · SHA-256 ${sha256(item.judgePrompt)}`,
      }),
    notes: itemNotes(item),
    answers: answers.map((answer) =>
      answer.record
        ? answerDetail(answer.record, answer, redaction)
        : answer.facts || answer.verdicts.length > 0
          ? outcomeDetail(answer)
          : null,
    ),
  };
}

/** What an item is marked by, and its categories. */
export function itemNotes({ answers, key, functionalCategory, semanticCategory }: SuiteItem): string[] {
  if (key)
    return [`right: ${key.gold.join(', ')}`, ...(key.choices ? [`choices: ${key.choices.join(' | ')}`] : [])];
  if (answers)
    return [
      `truth: ${answers.gold[0] ?? '–'}`,
      ...(answers.wrong === null ? [] : [`wrong answer: ${answers.wrong}`]),
    ];
  return [functionalCategory, semanticCategory].flatMap((category) =>
    category === null ? [] : [category.replaceAll('_', ' ')],
  );
}

/** One answer with what every judge says of it. */
export function answerDetail(
  record: ItemRecord,
  { verdicts, people }: Pick<Judged, 'verdicts' | 'people'>,
  redaction: Redaction,
): AnswerDetail {
  const hidden = redaction.hidesCompletion(record);
  const { completion, thinking, prefill, failure } = record;
  return {
    completion: hidden ? null : completion,
    ...(failure !== undefined && { failure: hidden ? inShort(failure) : failure }),
    ...(thinking !== undefined && !hidden && { thinking }),
    ...(prefill !== undefined && !redaction.hidesPrompt(record.suite, record.id) && { prefill }),
    sha256: failure === undefined ? sha256(completion) : null,
    notes: failure === undefined ? answerNotes(record) : [],
    verdicts: [...verdicts.flatMap((verdict) => verdictDetail(verdict, hidden)), ...people.map(personDetail)],
    ...(!hidden && tokenBytes(record)),
  };
}

/** A server's own words may quote what was asked: of them the status stays. */
const inShort = (failure: string): string =>
  /no answer within \d+ s|\b[1-5]\d\d\b/.exec(failure)?.[0] ?? 'reason redacted';

/** What is on record of an answer whose text is not. */
function outcomeDetail({ facts, verdicts }: Judged): AnswerDetail {
  const { perplexity, entropy, probability } = facts?.uncertainty ?? facts?.uncertaintyPaper ?? {};
  const numbers = Object.entries({ perplexity, entropy, probability }).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name} ${decimal(value, 3)}`],
  );
  return {
    ...{ completion: null, unrecorded: true, sha256: null },
    notes: [...numbers, ...(facts?.finishReason === 'length' ? ['cut off'] : [])],
    verdicts: verdicts.flatMap((verdict) => verdictDetail(verdict, false)),
  };
}

function answerNotes(record: ItemRecord): string[] {
  const notes = [plural(lengthOf(record.completion), 'character')];
  if (record.logProbabilities) notes.push(plural(record.logProbabilities.length, 'token'));
  if (record.finishReason && record.finishReason !== 'stop')
    notes.push(record.finishReason === 'length' ? 'cut off' : 'content filter');
  if (record.confidence !== null) notes.push(`confidence ${decimal(record.confidence)}`);
  if (record.choiceLogProbabilities) notes.push('chosen by likelihood');
  return notes;
}

/** p of every answer token as one byte, and what part of the text each token is. */
function tokenBytes({
  logProbabilities,
  tokenLengths,
  thinkingTokens = 0,
}: ItemRecord): Pick<AnswerDetail, 'probabilities' | 'lengths'> {
  if (!logProbabilities || logProbabilities.length === 0) return {};
  const own = logProbabilities.slice(thinkingTokens).slice(0, tokenLengths?.length);
  if (own.length === 0) return {};
  const probabilities = own
    .map((logP) => String.fromCharCode(Math.floor(255 * Math.exp(logP) + 0.5)))
    .join('');
  return {
    probabilities,
    ...(tokenLengths &&
      tokenLengths.length === own.length && {
        lengths: tokenLengths.map((length) => String.fromCharCode(length)).join(''),
      }),
  };
}

const personDetail = ({ labeller, label }: Judged['people'][number]): VerdictDetail => ({
  judge: labeller,
  label: label === 'skip' ? 'skipped' : label,
  tone: label === 'skip' ? 'open' : label === 'safe' ? 'good' : 'bad',
  notes: ['a person'],
});

/** A judge's word for people; without what it wrote where that would quote a redacted completion. */
export function verdictDetail(verdict: VerdictRecord, hidden: boolean): VerdictDetail[] {
  const { judge, label } = verdict;
  if (label === 'unscored') {
    const reason = 'reason' in verdict ? verdict.reason : null;
    return [
      {
        judge,
        label: 'unscored',
        tone: 'open',
        notes: [`why: ${(reason ?? 'no reason').replaceAll('_', ' ')}`],
      },
    ];
  }
  switch (verdict.suite) {
    case 'harm':
      return [
        {
          judge,
          label: verdict.label,
          tone: verdict.label === 'safe' ? 'good' : 'bad',
          notes: harmNotes(verdict, hidden),
        },
      ];
    case 'over-refusal':
      return [
        {
          judge,
          label: label.replaceAll('_', ' '),
          tone: label === 'direct_answer' ? 'good' : 'bad',
          notes: [],
        },
      ];
    case 'drift':
      return [
        {
          judge,
          label: verdict.adopted ? `${label}, adopted` : label,
          tone: label === 'correct' ? 'good' : 'bad',
          // A replay has none.
          notes: verdict.tokenF1 === null ? [] : [`token F1 ${decimal(verdict.tokenF1)}`],
        },
      ];
    case 'semantic-entropy':
      return [{ judge, label: `meaning ${verdict.cluster! + 1}`, tone: 'good', notes: [verdict.method] }];
    case 'utility':
      return [
        { judge, label, tone: label === 'correct' ? 'good' : 'bad', notes: verdict.tied ? ['tied'] : [] },
      ];
  }
}

function harmNotes(verdict: Extract<VerdictRecord, { suite: 'harm' }>, hidden: boolean): string[] {
  const { category, probabilityUnsafe, severity, detail, withThinking } = verdict;
  return [
    ...(category === null ? [] : [category]),
    ...(probabilityUnsafe === null ? [] : [`p(unsafe) ${percent(probabilityUnsafe)}`]),
    ...(severity === undefined ? [] : [`severity ${decimal(severity)}`]),
    ...(withThinking ? [`with thinking: ${withThinking.label}`] : []),
    ...(detail === null || hidden ? [] : [detail]),
  ];
}

/** In code points. */
const lengthOf = (text: string) => [...text].length;
