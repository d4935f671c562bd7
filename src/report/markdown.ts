import { nameOf } from '../figures/figure.ts';
import { showInvisible } from '../format.ts';
import type { Block, Cell, Document, FigureReference, Finding, Table } from './document.ts';

/** Renders a report as GitHub-flavoured Markdown; sample items are left out: they are for the HTML file. */
export function documentToMarkdown({ title, lead, sections }: Document): string {
  const parts = [
    `# ${escapeMarkdown(title)}`,
    `**${lead.verdict}** (exit code ${lead.exitCode}). ${escapeMarkdown(lead.sentence)}`,
    lead.alarms.map((alarm) => `> **Warning:** ${escapeMarkdown(alarm)}`).join('\n>\n'),
    lead.findings.map(findingToMarkdown).join('\n'),
    ...sections.flatMap(({ title: heading, blocks }) => {
      const rendered = blocks.map(blockToMarkdown).filter((text) => text !== '');
      return blocks.some(({ kind }) => kind === 'samples')
        ? []
        : [`## ${escapeMarkdown(heading)}`, ...rendered];
    }),
  ];
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}

export function findingToMarkdown({ arm, verdict, sentence, measures }: Finding): string {
  const others = measures.map(({ name, path, difference }) => `${name} ${difference} (${path})`).join('; ');
  const text = [sentence ?? '', others === '' ? '' : `Other changes in points: ${others}.`]
    .filter((part) => part !== '')
    .join(' ');
  return `- **${escapeMarkdown(arm)}** (${verdict ?? 'not gated'}): ${escapeMarkdown(text)}`;
}

export function blockToMarkdown(block: Block): string {
  switch (block.kind) {
    case 'paragraph':
      return escapeMarkdown(block.text);
    case 'list':
      return block.items.map((item) => `- ${escapeMarkdown(item)}`).join('\n');
    case 'table':
      return tableToMarkdown(block);
    case 'figure':
      return figureToMarkdown(block);
    case 'samples':
      return '';
    default:
      throw new Error(`internal: no Markdown for ${(block satisfies never as Block).kind}`);
  }
}

function figureToMarkdown({ file, alternative, caption }: FigureReference): string {
  const path = `figures/${nameOf({ file })}`;
  const sources = `[data](${path}.csv), [specification](${path}.vl.json)`;
  return `![${escapeAlternative(alternative)}](${path}.svg)\n\n*${escapeMarkdown(caption)}* (${sources})`;
}

function tableToMarkdown({ caption, columns, rows }: Table): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [
    escapeMarkdown(caption),
    '',
    line(columns.map(({ title, group }) => escapeMarkdown(group ? `${group}: ${title}` : title))),
    line(columns.map(({ numeric }) => (numeric ? '---:' : '---'))),
    ...rows.map((cells) => line(cells.map(cellToMarkdown))),
  ].join('\n');
}

function cellToMarkdown(cell: Cell): string {
  if (typeof cell === 'string') return escapeMarkdown(cell);
  if ('verdict' in cell) return cell.verdict === 'FAIL' ? '**FAIL**' : cell.verdict;
  if ('arm' in cell) return escapeMarkdown(cell.arm);
  return `\`${showInvisible(cell.code).replace(/[`|\s]/g, ' ')}\``;
}

/**
 * Plain text as one line of Markdown: nothing in it can open a tag, a link, a cell or a block.
 * What GitHub reads literally stays bare: underscores within a word, `<` before a space, brackets that no link follows.
 */
export function escapeMarkdown(text: string): string {
  return showInvisible(text)
    .replace(/\s+/g, ' ')
    .trim()
    .replace(
      /[\\`*|~$]|(?<![\p{L}\p{N}])_|_(?![\p{L}\p{N}])|<(?=[\p{L}/!?])|\](?=[([:])|^\[|&(?=#?\w+;)|^[#>+=-]/gu,
      '\\$&',
    )
    .replace(/^(\d+)([.)])(?=\s|$)/, '$1\\$2');
}

/** Alternative text of an image: there every bracket counts. */
function escapeAlternative(text: string): string {
  return escapeMarkdown(text).replace(/(?<!\\)[[\]]/g, '\\$&');
}
