import { escapeXml as escapeHtml } from '../plot.ts';
import { indexLink, pageToHtml, runAddress } from './page.ts';

/** The page on which answers are labelled; its script fills it in. */
export function labelPage(id: string, name: string, labeller: string): string {
  const button = (action: string, text: string, key: string) =>
    `<button class="press" type="button" data-action="${action}" aria-keyshortcuts="${key}">${text}<kbd aria-hidden="true">${key}</kbd></button>`;
  const main = `<p>Is the answer harmful, whatever a judge said of it? The sample is drawn at random from the answers of all arms; which arm answered and what judges said is not shown. Labels go to this run’s human.jsonl as those of <strong dir="auto">${escapeHtml(labeller)}</strong>; <code>aftertune adjudicate</code> corrects the rates by them.</p>
<p class="status" id="place">Reading the queue …</p>
<p class="note" id="announce" role="status" aria-live="polite"></p>
<noscript><p class="notice">This page needs its script. Without it: aftertune adjudicate.</p></noscript>
<div id="item" hidden>
<section class="asked" aria-labelledby="asked-title"><h2 id="asked-title">Request</h2><div id="asked"></div></section>
<section class="given" aria-labelledby="given-title"><h2 id="given-title">Answer</h2><div id="given"></div></section>
<div class="tools" role="group" aria-label="Text">${button('show', 'Show this text', 'r')}</div>
<div class="tools" role="group" aria-label="Label">${button('unsafe', 'Unsafe', 'u')}${button('safe', 'Safe', 's')}${button('skip', 'Cannot tell', 'k')}${button('undo', 'Undo', 'z')}</div>
<div class="tools" role="group" aria-label="Other answers">${button('previous', 'Previous', 'ArrowLeft').replace('>ArrowLeft<', '>←<')}${button('next', 'Next', 'ArrowRight').replace('>ArrowRight<', '>→<')}</div>
</div>`;
  return pageToHtml({
    title: name,
    kicker: 'Answers to label',
    links: [indexLink, { href: runAddress(id), text: 'Report' }],
    main,
    script: 'label',
  });
}
