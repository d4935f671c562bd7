import type { ItemSelector } from '../report/page-data.ts';
import { button } from './element.ts';
import type { Explorer } from './explorer.ts';

/** Makes a button of every number of items that opens them. */
export function enhanceCounts(within: ParentNode, items: Explorer): void {
  for (const shown of within.querySelectorAll<HTMLElement>('[data-items]')) {
    const selector = JSON.parse(shown.dataset.items!) as ItemSelector;
    const number = shown.textContent;
    const made = button(
      number,
      { class: 'count-button', 'aria-label': `${number}: show these items` },
      () => {
        void items.open(selector);
      },
    );
    shown.replaceChildren(made);
  }
}
