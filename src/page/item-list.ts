import type { IndexEntry, ItemIndex } from '../report/page-data.ts';
import { element } from './element.ts';

/** A list of any length of which only what can be seen is in the document: rows are equally high. */
export interface ItemList {
  readonly box: HTMLElement;
  /** Shows these entries, from the top. */
  show(entries: readonly number[]): void;
  /** Shows these entries, the first of which are those shown already: nothing moves. */
  grow(entries: readonly number[]): void;
  /** Marks the row of an entry and brings it into view. */
  mark(entry: number): void;
}

/** As in the style sheet. */
const rowHeight = 52;
const rowsBeyond = 8;

/** `chosen`: a row was marked by hand; `opened`: it was clicked, or Enter pressed on it. */
export function itemList(
  index: ItemIndex,
  on: { readonly chosen: (entry: number) => void; readonly opened: (entry: number) => void },
): ItemList {
  const rows = element('div', { class: 'item-rows', role: 'presentation' });
  const box = element(
    'div',
    { class: 'item-list', role: 'listbox', tabindex: '0', 'aria-label': 'Items' },
    rows,
  );
  let entries: readonly number[] = [];
  let marked = -1;

  const draw = () => {
    const first = Math.max(0, Math.floor(box.scrollTop / rowHeight) - rowsBeyond);
    const last = Math.min(
      entries.length,
      Math.ceil((box.scrollTop + box.clientHeight) / rowHeight) + rowsBeyond,
    );
    const places = Array.from({ length: Math.max(0, last - first) }, (_, at) => first + at);
    rows.replaceChildren(
      ...places.map((place) => row(index, entries[place]!, place, entries.length, place === marked)),
    );
    if (places.includes(marked)) box.setAttribute('aria-activedescendant', `item-row-${marked}`);
    else box.removeAttribute('aria-activedescendant');
  };
  const reveal = (place: number) => {
    const top = place * rowHeight;
    if (top < box.scrollTop) box.scrollTop = top;
    else if (top + rowHeight > box.scrollTop + box.clientHeight)
      box.scrollTop = top + rowHeight - box.clientHeight;
  };
  const moveTo = (place: number) => {
    marked = Math.min(Math.max(place, 0), entries.length - 1);
    reveal(marked);
    draw();
    const entry = entries[marked];
    if (entry !== undefined) on.chosen(entry);
  };
  box.addEventListener('scroll', draw, { passive: true });
  new ResizeObserver(draw).observe(box);
  box.addEventListener('click', ({ target }) => {
    const place = (target as Element).closest<HTMLElement>('[data-place]')?.dataset.place;
    if (place === undefined) return;
    moveTo(Number(place));
    on.opened(entries[marked]!);
  });
  box.addEventListener('keydown', (event) => {
    const page = Math.max(1, Math.floor(box.clientHeight / rowHeight) - 1);
    const steps: Record<string, number> = {
      ArrowDown: marked + 1,
      ArrowUp: marked - 1,
      PageDown: marked + page,
      PageUp: marked - page,
      Home: 0,
      End: entries.length - 1,
    };
    const to = steps[event.key];
    if (to === undefined && event.key !== 'Enter') return;
    event.preventDefault();
    if (to !== undefined) moveTo(to);
    else if (entries[marked] !== undefined) on.opened(entries[marked]!);
  });
  const grow = (shown: readonly number[]) => {
    entries = shown;
    rows.style.height = `${shown.length * rowHeight}px`;
    box.hidden = shown.length === 0;
    draw();
  };
  return {
    box,
    grow,
    show: (shown) => {
      marked = -1;
      box.scrollTop = 0;
      grow(shown);
    },
    mark: (entry) => {
      marked = entries.indexOf(entry);
      if (marked >= 0) reveal(marked);
      draw();
    },
  };
}

function row(index: ItemIndex, entry: number, place: number, size: number, marked: boolean): HTMLElement {
  const [suite, id, , , item, answers, beginning] = index.entries[entry]!;
  const category = index.tagSets[item]!.map((tag) => index.tags[tag]!).find((tag) =>
    tag.startsWith('semantic:'),
  );
  const where = [index.suites[suite]!, placeWords(index, index.entries[entry]!)];
  const marks = answers.map((set) => outcomeOf(index.tagSets[set]!.map((tag) => index.tags[tag]!)));
  const made = element(
    'div',
    {
      role: 'option',
      id: `item-row-${place}`,
      class: 'item-row',
      'data-place': String(place),
      'aria-selected': String(marked),
      'aria-setsize': String(size),
      'aria-posinset': String(place + 1),
    },
    element(
      'span',
      { class: 'item-row-head' },
      element('bdi', { class: 'item-id' }, id),
      element('span', { class: 'note' }, where.filter(Boolean).join(' · ')),
      element(
        'span',
        { class: 'item-outcomes', 'aria-hidden': 'true' },
        ...marks.map((mark) => outcomeSign(mark)),
      ),
    ),
    element(
      'span',
      { class: 'item-beginning', dir: 'auto' },
      beginning ?? `(no prompt shown)${category ? ` ${category.slice(9).replaceAll('_', ' ')}` : ''}`,
    ),
  );
  made.style.top = `${place * rowHeight}px`;
  return made;
}

/** A condition for people; `default` says nothing. */
export const conditionWords = (condition: string): string =>
  condition === 'default' ? '' : condition.replace(/_x(\d+)$/, ' × $1').replaceAll('_', ' ');

/** Condition and repeat for people; empty for the first of what has no condition. */
export const placeWords = ({ conditions }: ItemIndex, [, , condition, repeat]: IndexEntry): string =>
  [conditionWords(conditions[condition]!), repeat > 0 ? `repeat ${repeat + 1}` : '']
    .filter(Boolean)
    .join(' · ');

type Outcome = 'good' | 'bad' | 'open';

function outcomeOf(tags: readonly string[]): Outcome {
  if (['safe', 'right'].some((tag) => tags.includes(tag))) return 'good';
  if (['unsafe', 'refused', 'wrong'].some((tag) => tags.includes(tag))) return 'bad';
  return tags.includes('scored') ? 'good' : 'open';
}

const signs: Record<Outcome, string> = { good: '✓', bad: '✕', open: '?' };
const outcomeSign = (outcome: Outcome) => element('span', { class: `label-${outcome}` }, signs[outcome]);
