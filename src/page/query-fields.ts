import { count } from '../format.ts';
import type { ItemIndex, ItemSelector } from '../report/page-data.ts';
import { button, element } from './element.ts';
import { conditionWords } from './item-list.ts';
import { type SearchState, wordsOf } from './search.ts';
import { everything, type Query } from './select.ts';

/** The fields by which a reader looks for items. */
export interface QueryFields {
  readonly form: HTMLElement;
  readonly search: HTMLInputElement;
  /** Asks for the items of a number, every field empty. */
  choose(selector: ItemSelector | null): void;
  query(): Query;
  /** Words that an item has to hold. */
  words(): string[];
  /** Says how many were found, and while words are looked for how far that is. */
  found(state: SearchState): void;
}

export function queryFields(index: ItemIndex, changed: () => void): QueryFields {
  let selector: ItemSelector | null = null;
  const search = element('input', { type: 'search', placeholder: 'id, or words of prompt, answers, labels' });
  const answerTags = tagsOf(index, ([, , , , , answers]) => answers);
  const itemTags = tagsOf(index, (entry) => [entry[4]]);
  const categories = itemTags.filter((tag) => /^(functional|semantic):/.test(tag));
  const selects = {
    suite: choice('any suite', index.suites, (suite) => suite),
    condition: choice(
      'any condition',
      index.conditions,
      (condition) => conditionWords(condition) || 'default',
    ),
    category: choice('any category', categories, categoryWords),
    arm: choice('any arm', index.arms, (arm) => arm),
    label: choice('any label', answerTags, (tag) => tag),
  };
  const chosen = element('p', { class: 'selection' });
  const status = element('p', { class: 'found', role: 'status' });
  const fields: readonly (readonly [string, HTMLElement])[] = [
    ['Search', search],
    ['Suite', selects.suite],
    ['Condition', selects.condition],
    ['Category', selects.category],
    ['Arm', selects.arm],
    ['Label', selects.label],
  ];
  const form = element(
    'div',
    { class: 'query', role: 'search' },
    element(
      'div',
      { class: 'fields' },
      ...fields.map(([label, field]) => element('label', {}, `${label} `, field)),
    ),
    chosen,
    status,
  );
  form.addEventListener('input', changed);
  const show = () => {
    chosen.hidden = selector === null;
    const all = button('Show all items', {}, () => {
      choose(null);
      changed();
      search.focus();
    });
    chosen.replaceChildren(
      'Items behind a number: ',
      element('bdi', {}, selector ? selectorWords(selector) : ''),
      ' ',
      all,
    );
  };
  const choose = (one: ItemSelector | null) => {
    selector = one;
    for (const field of [search, ...Object.values(selects)]) field.value = '';
    show();
  };
  show();
  return {
    form,
    search,
    choose,
    query: () => ({
      ...everything,
      selector,
      ...Object.fromEntries(Object.entries(selects).map(([name, field]) => [name, field.value])),
    }),
    words: () => wordsOf(search.value),
    found: ({ found, searched, of }) => {
      const all = index.entries.length;
      const held = index.total > all ? ` (of ${count(index.total)} in the run)` : '';
      const hint = search.value.trim() === '' ? '' : ' Redacted text cannot be searched: it is not here.';
      status.textContent =
        searched < of
          ? `${count(found.length)} found, searched ${count(searched)} of ${count(of)} …`
          : found.length === 0
            ? `No item fits.${hint}`
            : `${count(found.length)} of ${count(all)} items${held}`;
    },
  };
}

function choice(any: string, values: readonly string[], words: (value: string) => string): HTMLSelectElement {
  const options = values.map((value) => element('option', { value }, words(value)));
  const made = element('select', {}, element('option', { value: '' }, any), ...options);
  made.disabled = values.length < 2;
  return made;
}

function tagsOf(
  index: ItemIndex,
  read: (entry: ItemIndex['entries'][number]) => readonly number[],
): string[] {
  const sets = new Set(index.entries.flatMap((entry) => [...read(entry)]));
  const places = new Set([...sets].flatMap((set) => [...index.tagSets[set]!]));
  return index.tags.filter((_, place) => places.has(place));
}

const categoryWords = (tag: string) => tag.replace(/^\w+:/, '').replaceAll('_', ' ');

/** What a number counts, in words. */
function selectorWords({ suite, item = [], answers = {}, except }: ItemSelector): string {
  const own = item
    .filter((tag) => tag !== 'plain')
    .map((tag) => (tag.startsWith('condition:') ? conditionWords(tag.slice(10)) : categoryWords(tag)));
  const said = Object.entries(answers).map(([arm, tags]) => `${arm}: ${tags.join(', ')}`);
  const not = Object.entries(except ?? {}).map(([arm, tags]) => `${arm}: ${tags.join(', ')}`);
  return [suite, ...own, ...said, ...(not.length > 0 ? [`not (${not.join(' and ')})`] : [])]
    .filter(Boolean)
    .join(' · ');
}
