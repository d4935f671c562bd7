import type { AnswerDetail, IndexEntry, ItemDetail, ItemIndex, VerdictDetail } from '../report/page-data.ts';
import { armName, element } from './element.ts';
import { placeWords } from './item-list.ts';
import { confidenceLine, shadedText } from './tokens.ts';

/** One item in full: its prompt, and every arm's answer beside the others. */
export function itemView(index: ItemIndex, entry: IndexEntry, detail: ItemDetail): Node[] {
  const [suite, id] = entry;
  const where = [index.suites[suite]!, placeWords(index, entry), ...detail.notes];
  const shaded = detail.answers.some((answer) => answer?.probabilities && answer.completion !== null);
  return [
    element('h3', { class: 'item-title', tabindex: '-1' }, element('bdi', {}, id)),
    element('p', { class: 'note', dir: 'auto' }, where.filter(Boolean).join(' · ')),
    promptView(detail),
    ...(shaded ? [legend()] : []),
    element(
      'div',
      { class: 'answers' },
      ...detail.answers.map((answer, at) => answerView(index.arms[at]!, answer)),
    ),
  ];
}

function promptView({ prompt, redacted }: ItemDetail): HTMLElement {
  if (prompt !== null) return element('blockquote', { dir: 'auto' }, prompt);
  return element(
    'p',
    { class: 'redacted' },
    redacted ? `prompt redacted · ${redacted}` : 'prompt not on record',
  );
}

function answerView(arm: string, answer: AnswerDetail | null): HTMLElement {
  const head = element('h4', { class: 'card-head' }, armName(arm));
  if (!answer)
    return element(
      'section',
      { class: 'answer' },
      head,
      element('p', { class: 'redacted' }, 'no answer on record'),
    );
  const { thinking, prefill } = answer;
  return element(
    'section',
    { class: 'answer' },
    head,
    ...(thinking === undefined ? [] : [thinkingView(thinking)]),
    ...(prefill === undefined
      ? []
      : [element('p', { class: 'note', dir: 'auto' }, `begun for the model: ${prefill}`)]),
    ...completionView(answer),
    element('ul', { class: 'verdicts' }, ...answer.verdicts.map(verdictView)),
    element('p', { class: 'note' }, answer.notes.join(' · ')),
    ...(answer.sha256 === null
      ? []
      : [element('p', { class: 'note' }, 'SHA-256 ', element('code', {}, answer.sha256))]),
  );
}

function completionView(answer: AnswerDetail): Node[] {
  const { completion, probabilities, lengths, failure, unrecorded } = answer;
  if (failure !== undefined)
    return [element('p', { class: 'redacted', dir: 'auto' }, `never answered: ${failure}`)];
  if (unrecorded) return [element('p', { class: 'redacted' }, 'text not on record')];
  if (completion === null) return [element('p', { class: 'redacted' }, 'completion redacted')];
  if (completion === '') return [element('p', { class: 'redacted' }, 'empty answer')];
  if (probabilities && lengths)
    return [element('pre', { dir: 'auto' }, shadedText(completion, probabilities, lengths))];
  const text = element('pre', { dir: 'auto' }, completion);
  return probabilities ? [text, confidenceLine(probabilities)] : [text];
}

function thinkingView(thinking: string): HTMLElement {
  return element(
    'details',
    {},
    element('summary', {}, 'thinking'),
    element('pre', { dir: 'auto' }, thinking),
  );
}

function verdictView({ judge, label, tone, notes }: VerdictDetail): HTMLElement {
  return element(
    'li',
    {},
    element('span', { class: `label label-${tone}` }, label),
    element('span', { class: 'note', dir: 'auto' }, ` ${[judge, ...notes].join(' · ')}`),
  );
}

function legend(): HTMLElement {
  const steps = ['≥ 90 %', '50–90 %', '20–50 %', '5–20 %', '< 5 %'];
  return element(
    'p',
    { class: 'note legend' },
    'Shading: how likely each token was. ',
    ...steps.flatMap((words, level) => [element('span', { class: `token token-${level}` }, words), ' ']),
  );
}
