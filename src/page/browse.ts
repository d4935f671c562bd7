import { enhanceCounts } from './counts.ts';
import { button } from './element.ts';
import { explorer } from './explorer.ts';
import type { ItemSource } from './item-source.ts';

/** Opens items from a report: from any count of them, from a button, by `/`, and by the page's address. */
export function browseItems(source: ItemSource): void {
  const items = explorer(source, document.body);
  enhanceCounts(document, items);
  const openAll = () => void items.open(null);
  document.getElementById('items')?.after(button('Browse all items', { class: 'browse' }, openAll));
  document.addEventListener('keydown', (event) => {
    const writes = event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement;
    if (event.key !== '/' || writes || document.querySelector('dialog[open]')) return;
    event.preventDefault();
    openAll();
  });
  const follow = () => void items.openAddress(location.hash);
  addEventListener('hashchange', follow);
  follow();
}
