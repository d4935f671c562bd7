import { browseItems } from './browse.ts';
import { embeddedItems } from './item-source.ts';
import { enhanceTables } from './tables.ts';

/** What the report's page can do beyond reading: the entry that `scripts/setup.mjs` bundles into dist/page/report.js. */
const source = embeddedItems(document);
if (source) browseItems(source);
enhanceTables(document);
