import type { IndexEntry, ItemIndex, ItemSelector } from '../report/page-data.ts';
import { button, element } from './element.ts';
import { type ItemList, itemList, placeWords } from './item-list.ts';
import type { ItemSource } from './item-source.ts';
import { itemView } from './item-view.ts';
import { type QueryFields, queryFields } from './query-fields.ts';
import { type SearchState, searchItems } from './search.ts';
import { findEntries } from './select.ts';

/** Items over the page: a list that can be searched, and beside it the item that was opened. */
export interface Explorer {
  /** Lists the items of a number, or all of them. */
  open(selector: ItemSelector | null): Promise<void>;
  /** Opens the item that an address names (`#item=…`); false where it names none. */
  openAddress(hash: string): Promise<boolean>;
}

interface Parts {
  readonly index: ItemIndex;
  readonly fields: QueryFields;
  readonly list: ItemList;
}

const addressPrefix = '#item=';

/** `within`: where the dialog is put. Nothing is read before it is opened. */
export function explorer(source: ItemSource, within: HTMLElement): Explorer {
  const item = element('article', { class: 'item-view', tabindex: '0', 'aria-label': 'Item' });
  const panes = element('div', { class: 'panes' });
  const body = element('div', { class: 'explorer-body' });
  const dialog = element('dialog', { class: 'explorer', 'aria-labelledby': 'explorer-title' });
  let opened: Promise<Parts> | undefined;
  let shown = -1;
  let looking = new AbortController();

  const toList = () => {
    panes.classList.remove('shows-item');
    panes.querySelector<HTMLElement>('.item-list')?.focus();
  };
  const show = async (parts: Parts, entry: number) => {
    const { index } = parts;
    shown = entry;
    const detail = (await source.chunk(Math.floor(entry / index.chunkSize)))[entry % index.chunkSize];
    if (shown !== entry || !detail) return;
    const back = button('Back to the list', { class: 'back' }, toList);
    item.replaceChildren(
      back,
      ...itemView(index, index.entries[entry]!, detail),
      ...othersView(parts, entry),
    );
    item.scrollTop = 0;
    history.replaceState(null, '', addressOf(index, index.entries[entry]!));
  };
  /** The same prompt under other conditions and in other repeats. */
  const othersView = (parts: Parts, entry: number) => {
    const others = sameItem(parts.index, entry);
    if (others.length < 2) return [];
    const goTo = (other: number) => () => {
      parts.list.mark(other);
      void show(parts, other).then(() => item.focus());
    };
    const buttons = others.map((other) => {
      const words = placeWords(parts.index, parts.index.entries[other]!) || 'as it is';
      return other === entry
        ? element('strong', { 'aria-current': 'true' }, words)
        : button(words, {}, goTo(other));
    });
    const attributes = { class: 'others', role: 'group', 'aria-label': 'The same item' };
    return [element('div', attributes, 'The same item: ', ...buttons)];
  };
  const start = async (): Promise<Parts> => {
    const index = await source.index();
    const fields = queryFields(index, () => search(parts));
    const list = itemList(index, {
      chosen: (entry) => void show(parts, entry),
      opened: (entry) => {
        panes.classList.add('shows-item');
        void show(parts, entry).then(() => item.focus());
      },
    });
    const parts = { index, fields, list };
    panes.replaceChildren(list.box, item);
    body.replaceChildren(fields.form, panes);
    return parts;
  };
  const search = ({ index, fields, list }: Parts) => {
    looking.abort();
    looking = new AbortController();
    const found = findEntries(index, fields.query());
    const words = fields.words();
    if (words.length === 0) {
      list.show(found);
      fields.found({ found, searched: found.length, of: found.length });
    } else {
      list.show([]);
      fields.found({ found: [], searched: 0, of: found.length });
      const told = (state: SearchState) => {
        list.grow(state.found);
        fields.found(state);
      };
      void searchItems({ index, source }, found, words, told, looking.signal);
    }
    panes.classList.remove('shows-item');
    shown = -1;
    item.replaceChildren(
      element(
        'p',
        { class: 'note' },
        'Choose an item with the arrow keys; Enter goes to it, Escape comes back.',
      ),
    );
  };
  const begin = async (selector: ItemSelector | null): Promise<Parts> => {
    if (!dialog.open) dialog.showModal();
    opened ??= start();
    const parts = await opened;
    parts.fields.choose(selector);
    search(parts);
    return parts;
  };

  dialog.append(
    element(
      'div',
      { class: 'explorer-head' },
      element('h2', { id: 'explorer-title' }, 'Items'),
      button('Close', { class: 'close' }, () => dialog.close()),
    ),
    body,
  );
  dialog.addEventListener('cancel', (event) => {
    if (!item.contains(document.activeElement)) return;
    event.preventDefault();
    toList();
  });
  dialog.addEventListener('close', () => history.replaceState(null, '', location.pathname + location.search));
  dialog.addEventListener('keydown', (event) => {
    if (event.key !== '/' || event.target instanceof HTMLInputElement) return;
    event.preventDefault();
    void opened?.then(({ fields }) => fields.search.focus());
  });
  within.append(dialog);
  return {
    open: async (selector) => {
      const { list, fields } = await begin(selector);
      (list.box.hidden ? fields.search : list.box).focus();
    },
    openAddress: async (hash) => {
      if (!hash.startsWith(addressPrefix)) return false;
      const { index } = await (opened ??= start());
      const entry = index.entries.findIndex((one) => addressOf(index, one) === hash);
      if (entry < 0) return false;
      const parts = await begin(null);
      parts.list.mark(entry);
      panes.classList.add('shows-item');
      await show(parts, entry);
      item.focus();
      return true;
    },
  };
}

const mostOthers = 40;

/** Entries of the same suite and id, this one included. */
function sameItem({ entries }: ItemIndex, entry: number): number[] {
  const [suite, id] = entries[entry]!;
  return [...entries.keys()]
    .filter((place) => entries[place]![1] === id && entries[place]![0] === suite)
    .slice(0, mostOthers);
}

/** What names an item in an address: suite, id, condition and repeat. */
function addressOf({ suites, conditions }: ItemIndex, [suite, id, condition, repeat]: IndexEntry): string {
  return (
    addressPrefix +
    [suites[suite]!, id, conditions[condition]!, String(repeat)].map(encodeURIComponent).join('/')
  );
}
