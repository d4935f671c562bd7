import { armMarks, type Page } from '../html/marks.ts';
import { pageHead } from '../html/page-head.ts';
import { escapeXml as escapeHtml } from '../plot.ts';
import { viewerStyle } from './page-style.ts';

/** What every page of the viewer has: head, landmarks, links, the script. */

export const scriptAddress = '/view.js';

export interface Link {
  readonly href: string;
  readonly text: string;
}

export interface ViewerPage {
  readonly title: string;
  /** Above the heading: what kind of page this is. */
  readonly kicker: string;
  readonly links: readonly Link[];
  /** HTML. */
  readonly main: string;
  /** What the script does with the page; none where it is only read. */
  readonly script?: 'live' | 'index' | 'label' | 'tables';
}

/** Links to other pages of the viewer, as a list. */
export function linksToHtml(links: readonly Link[]): string {
  const items = links.map(
    ({ href, text }) => `<li><a href="${escapeHtml(href)}">${escapeHtml(text)}</a></li>`,
  );
  return `<ol class="pages">${items.join('')}</ol>`;
}

/** A page as HTML. */
export function pageToHtml({ title, kicker, links, main, script }: ViewerPage): string {
  return `${pageHead(`${title} – aftertune`, { style: viewerStyle })}
<body${script ? ` data-page="${script}"` : ''}>
<a class="skip" href="#main">Skip to the page</a>
<nav aria-label="Pages"><p class="brand">aftertune</p>${linksToHtml(links)}</nav>
<main id="main">
<header>
<p class="kicker">${escapeHtml(kicker)}</p>
<h1 dir="auto">${escapeHtml(title)}</h1>
</header>
${main}
</main>
${script ? `<script src="${scriptAddress}" defer></script>\n` : ''}</body>
</html>
`;
}

/** What a page that is kept up to date becomes. */
export interface LiveState {
  /** In words, as a screen reader is told it. */
  readonly status: string;
  /** HTML. */
  readonly html: string;
}

/** The part of a page that its script keeps up to date. */
export const liveMain = ({ status, html }: LiveState): string =>
  `<p class="status" id="live-status">${escapeHtml(status)}</p>
<p class="unseen" id="announce" role="status" aria-live="polite"></p>
<div id="live">${html}</div>`;

/** A page that only says something: what went wrong, and the way out. */
export function noticePage(
  title: string,
  {
    kicker = 'aftertune view',
    text,
    problems = [],
    hint = null,
    links = [],
  }: {
    readonly kicker?: string;
    readonly text: string;
    readonly problems?: readonly string[];
    readonly hint?: string | null | undefined;
    readonly links?: readonly Link[];
  },
): string {
  const list = problems.map((problem) => `<li>${escapeHtml(problem)}</li>`).join('');
  const main = `<div class="notice" role="alert"><p>${escapeHtml(text)}</p>${list ? `<ul class="prose">${list}</ul>` : ''}${hint === null ? '' : `<p><strong>What to do:</strong> ${escapeHtml(hint)}</p>`}</div>`;
  return pageToHtml({ title, kicker, links, main });
}

/** The arms' marks, as in the figures. */
export function marksOf(arms: readonly string[], baseArm: string): Page {
  return { figures: {}, marks: armMarks(arms, baseArm) };
}

export const runAddress = (id: string): string => `/runs/${id}/`;
export const indexLink = { href: '/', text: 'All runs' };

/** The pages of one run, for its navigation. */
export const runLinks = (id: string, finished: boolean): readonly Link[] =>
  finished
    ? [indexLink, { href: `${runAddress(id)}label`, text: 'Label answers' }]
    : [
        indexLink,
        { href: `${runAddress(id)}live`, text: 'Progress' },
        { href: `${runAddress(id)}report`, text: 'Report so far' },
      ];
