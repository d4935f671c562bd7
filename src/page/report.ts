import { enhanceTables } from './tables.ts';

/** What the report's page can do beyond reading: the entry that `scripts/setup.mjs` bundles into dist/page/report.js. */
enhanceTables(document);
