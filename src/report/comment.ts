import { showInvisible } from '../format.ts';
import type { Document, Section } from './document.ts';
import { blockToMarkdown, escapeMarkdown, findingToMarkdown } from './markdown.ts';

/** GitHub takes no longer comment. */
export const commentCharacters = 65_536;
/** What is wrong with a run, said at the top; the whole report says all of it. */
const noticesKept = 5;
/** Dropped first when all is too long; then the sections from the last to the first. */
const shedFirst = ['method', 'compared'];

/**
 * A report as a pull request's comment, always shorter than 65,536 characters: the verdict and what changed in every
 * arm, then the sections folded away, without figures and sample items. Nothing in it mentions a person, refers to an
 * issue or becomes a link. What does not fit is dropped: method and what was compared first, then sections from the last on,
 * then findings; a line says what is missing.
 */
export function documentToComment({ title, notices, lead, sections }: Document): string {
  const head = [
    `# ${inert(escapeMarkdown(short(title)))}`,
    ...notices.slice(0, noticesKept).map((notice) => `> **${inert(escapeMarkdown(short(notice)))}**`),
    `**${lead.verdict}** (exit code ${lead.exitCode}). ${inert(escapeMarkdown(short(lead.sentence)))}`,
    ...(lead.outcome === null ? [] : [inert(escapeMarkdown(short(lead.outcome)))]),
  ];
  const alarms = lead.alarms.map((alarm) => `> **Warning:** ${inert(escapeMarkdown(short(alarm)))}`);
  const findings = lead.findings.map((finding) => inert(findingToMarkdown(finding)));
  const details = sections
    .map((section) => ({ id: section.id, title: section.title, text: sectionToDetails(section) }))
    .filter(({ text }) => text !== '');
  const order = [
    ...shedFirst.flatMap((id) => details.filter((section) => section.id === id)),
    ...details.filter(({ id }) => !shedFirst.includes(id)).reverse(),
  ];
  for (let shed = 0; ; shed++) {
    const gone = new Set(order.slice(0, shed));
    const kept = findings.slice(0, Math.max(0, findings.length - Math.max(0, shed - order.length)));
    const missing = [
      ...details.filter((section) => gone.has(section)).map((section) => short(section.title)),
      ...(kept.length < findings.length ? [`${findings.length - kept.length} arms`] : []),
    ];
    const text = `${[
      ...head,
      ...(alarms.length > 0 ? [alarms.join('\n>\n')] : []),
      ...(kept.length > 0 ? [kept.join('\n')] : []),
      ...(missing.length > 0
        ? [
            `*Too long for a comment; left out: ${inert(escapeMarkdown(missing.join(', ')))}. The whole is in report.html.*`,
          ]
        : []),
      ...details.filter((section) => !gone.has(section)).map((section) => section.text),
    ].join('\n\n')}\n`;
    if (text.length < commentCharacters || shed >= order.length + findings.length) return text;
  }
}

function sectionToDetails({ title, blocks }: Section): string {
  if (blocks.some(({ kind }) => kind === 'samples')) return '';
  const rendered = blocks
    .filter(({ kind }) => kind !== 'figure')
    .map((block) => inert(blockToMarkdown(block)));
  if (rendered.length === 0) return '';
  const summary = showInvisible(title).replace(/[&<>]/g, (character) => `&#${character.codePointAt(0)};`);
  return ['<details>', `<summary>${summary}</summary>`, '', rendered.join('\n\n'), '', '</details>'].join(
    '\n',
  );
}

/** Breaks mentions, references to issues and bare addresses by an empty comment, outside code. */
function inert(markdown: string): string {
  return markdown
    .split(/((?<!\\)`[^`]*`)/)
    .map((part, at) =>
      at % 2 === 1
        ? part
        : part.replace(/@(?=\w)|#(?=\d)|GH-(?=\d)|:(?=\/\/)|www(?=\.)/gi, (opening) => `${opening}<!-- -->`),
    )
    .join('');
}

const short = (text: string) => (text.length > 2000 ? `${[...text].slice(0, 2000).join('')} …` : text);
