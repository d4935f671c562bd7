import { labelAnswers } from './label.ts';
import { followLive } from './live.ts';
import { enhanceTables } from './tables.ts';

/** The script of the viewer's pages: the entry that `scripts/setup.mjs` bundles into dist/page/view.js. */
switch (document.body.dataset.page) {
  case 'live':
    followLive();
    break;
  case 'label':
    void labelAnswers();
    break;
  default:
    enhanceTables(document);
}
