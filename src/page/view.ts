import { browseItems } from './browse.ts';
import { itemSource } from './item-source.ts';
import { labelAnswers } from './label.ts';
import { followLive } from './live.ts';
import { enhanceTables } from './tables.ts';

/** The script of the viewer's pages: the entry that `scripts/setup.mjs` bundles into dist/page/view.js. */
switch (document.body.dataset.page) {
  case 'live':
    followLive();
    break;
  case 'index':
    enhanceTables(document);
    followLive(() => enhanceTables(document));
    break;
  case 'label':
    void labelAnswers();
    break;
  case 'tables':
    enhanceTables(document);
    break;
  default:
    if (document.getElementById('items')) browseItems(itemSource(fetchPart));
    enhanceTables(document);
}

/** Items come from the server in the parts that a report's file would hold. */
async function fetchPart(name: string): Promise<string> {
  const response = await fetch(name);
  if (!response.ok) throw new Error(`${name}: ${response.status}`);
  return response.text();
}
