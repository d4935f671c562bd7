import { nameOf } from './figures/figure.ts';
import { explorerStyle } from './html/explorer-style.ts';
import { leadToHtml } from './html/lead.ts';
import { armMarks, armToHtml, type Page } from './html/marks.ts';
import { pageHead } from './html/page-head.ts';
import { pageScript } from './html/script.ts';
import { tableToHtml } from './html/table.ts';
import { escapeXml as escapeHtml } from './plot.ts';
import type { Block, Document, FigureReference, Section } from './report/document.ts';
import type { PackedItems } from './report/packed-items.ts';
import type { SampleAnswer, SampleItem } from './report/samples.ts';

/** Nothing may be fetched, and nothing may run but the page's own script, known by its hash. */
const contentSecurityPolicy = (scripts: string) =>
  `default-src 'none'; script-src ${scripts}; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'`;

/** Where a page comes from a server instead of standing alone: its script and items are fetched, its policy is a header. */
export interface Served {
  /** Address of the script. */
  readonly script: string;
  /** HTML above the sections' links: to the server's other pages. */
  readonly navigation: string;
}

/** Renders a report as one self-contained HTML file, or as a server's page; `figures` are SVG by file name. */
export function documentToHtml(
  document: Document,
  figures: Readonly<Record<string, string>>,
  served: Served | null = null,
): string {
  const page: Page = { figures, marks: armMarks(document.arms, document.baseArm) };
  const title = escapeHtml(document.title);
  const script = served ? null : pageScript('report');
  const head = pageHead(`${document.title} – aftertune report`, {
    style: explorerStyle,
    policy: script && contentSecurityPolicy(script.source),
  });
  return `${head}
<body>
<a class="skip" href="#main">Skip to the report</a>
<nav aria-label="Sections"><p class="brand">aftertune</p>${served?.navigation ?? ''}<ol>
${document.sections.map(({ id, title: heading }) => `<li><a href="#${id}">${escapeHtml(heading)}</a></li>`).join('\n')}
</ol></nav>
<main id="main">
<header>
<p class="kicker">Report of a run</p>
<h1 dir="auto">${title}</h1>
</header>
${noticesToHtml(document.notices)}${leadToHtml(document.lead, page)}
${document.sections.map((section) => sectionToHtml(section, page)).join('\n')}
</main>
${script ? `${itemsToHtml(document.items())}<script>${script.text}</script>` : `<script src="${escapeHtml(served!.script)}" defer></script>`}
</body>
</html>
`;
}

function noticesToHtml(notices: readonly string[]): string {
  if (notices.length === 0) return '';
  const lines = notices.map((notice) => `<li>${escapeHtml(notice)}</li>`);
  return `<section class="notices" aria-label="Notices"><ul>\n${lines.join('\n')}\n</ul></section>\n`;
}

/** Data, not script: a browser runs nothing of this type. */
function itemsToHtml(items: PackedItems | null): string {
  if (!items) return '';
  const element = (id: string, data: string) =>
    `<script type="application/octet-stream" id="${id}">${data}</script>\n`;
  return [
    element('items-index', items.index),
    ...items.chunks.map((data, at) => element(`items-${at}`, data)),
  ].join('');
}

function sectionToHtml({ id, title, blocks }: Section, page: Page): string {
  const heading = `<h2 id="${id}">${escapeHtml(title)}</h2>`;
  return `<section class="section-${id}" aria-labelledby="${id}">\n${heading}\n${blocks.map((block, place) => blockToHtml(block, page, `${id}-${place}`)).join('\n')}\n</section>`;
}

function blockToHtml(block: Block, page: Page, id: string): string {
  switch (block.kind) {
    case 'paragraph':
      return `<p>${escapeHtml(block.text)}</p>`;
    case 'list':
      return `<ul class="prose">\n${block.items.map((item) => `<li>${escapeHtml(item)}</li>`).join('\n')}\n</ul>`;
    case 'table':
      return tableToHtml(block, page, id);
    case 'figure':
      return figureToHtml(block, page);
    case 'samples':
      return block.groups
        .map(
          ({ title, items }) =>
            `<details open><summary>${escapeHtml(title)} <span class="count">${items.length}</span></summary>\n${items.map((item) => sampleToHtml(item, page)).join('\n')}\n</details>`,
        )
        .join('\n');
    default:
      throw new Error(`internal: no HTML for ${(block satisfies never as Block).kind}`);
  }
}

function figureToHtml(figure: FigureReference, { figures }: Page): string {
  const { file, caption, alternative, csv, specification } = figure;
  // The drawing is one image with a description: roles of its parts would be images without one.
  const svg = figures[file]?.replace(/ role="graphics-\w+"( aria-roledescription="[^"]*")?/g, '');
  const drawing = svg ?? `<p>${escapeHtml(alternative)}</p>`;
  const name = nameOf(figure);
  // In the file itself, so that they are there wherever it is opened.
  const link = (type: string, extension: string, text: string) =>
    `<a download="${name}.${extension}" href="data:${type};charset=utf-8;base64,${Buffer.from(text).toString('base64')}">${name}.${extension}</a>`;
  const sources = `Data: ${link('text/csv', 'csv', csv)} · specification: ${link('application/json', 'vl.json', specification)}`;
  return `<figure>\n<div class="scroll" tabindex="0" role="group" aria-label="${escapeHtml(file)}">${drawing.trimEnd()}</div>\n<figcaption>${escapeHtml(caption)} <span class="sources">${sources}</span></figcaption>\n</figure>`;
}

function sampleToHtml({ title, prompt, note, answers }: SampleItem, page: Page): string {
  const asked = prompt === null ? '' : `<blockquote dir="auto">${escapeHtml(prompt)}</blockquote>`;
  const noted = note === null ? '' : `<p class="note" dir="auto">${escapeHtml(note)}</p>`;
  return `<article class="sample">
<h3><bdi>${escapeHtml(title)}</bdi></h3>
${asked}${noted}
<div class="answers">
${answers.map((answer) => answerToHtml(answer, page)).join('\n')}
</div>
</article>`;
}

function answerToHtml({ arm, completion, labels, note }: SampleAnswer, page: Page): string {
  const text =
    completion === null
      ? '<p class="redacted">redacted</p>'
      : completion === ''
        ? '<p class="redacted">empty answer</p>'
        : `<pre dir="auto">${escapeHtml(completion)}</pre>`;
  const marks = labels
    .map(({ text: label, tone }) => `<span class="label label-${tone}">${escapeHtml(label)}</span>`)
    .join(' ');
  return `<div class="answer"><p class="card-head">${armToHtml(arm, page)}</p>\n${text}\n<p class="labels">${marks}</p>\n<p class="note">${escapeHtml(note)}</p></div>`;
}
