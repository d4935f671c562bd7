import { enhanceCounts } from './counts.ts';
import { button } from './element.ts';
import { explorer } from './explorer.ts';
import { embeddedItems } from './item-source.ts';
import { enhanceTables } from './tables.ts';

/** What the report's page can do beyond reading: the entry that `scripts/setup.mjs` bundles into dist/page/report.js. */
const source = embeddedItems(document);
if (source) {
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
enhanceTables(document);
