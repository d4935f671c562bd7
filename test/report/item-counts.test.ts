import { inflateRawSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { joinOutcomes } from '../../src/outcomes.ts';
import { everything, findEntries } from '../../src/page/select.ts';
import { buildDocument, type Cell, type Document, type ItemCount } from '../../src/report/document.ts';
import type { ItemDetail, ItemIndex } from '../../src/report/page-data.ts';
import type { ReportInput } from '../../src/report.ts';
import { buildFigureInput } from '../fixtures/figure-input.ts';
import { buildRepeatedInput } from '../fixtures/repeated-input.ts';
import { buildReportInput } from '../fixtures/report-input.ts';

const unpack = <T>(packed: string) =>
  JSON.parse(inflateRawSync(Buffer.from(packed, 'base64')).toString()) as T;
const built = (input: ReportInput) => buildDocument(input, { showCompletions: false });
const indexOf = (of: Document) => unpack<ItemIndex>(of.items()!.index);
const detailsOf = (of: Document) => of.items()!.chunks.flatMap((chunk) => unpack<ItemDetail[]>(chunk));

/** Every cell of every table, by section and heading. */
function cellsOf({ sections }: Document): { readonly where: string; readonly cell: Cell }[] {
  return sections.flatMap(({ id, blocks }) =>
    blocks.flatMap((block) =>
      block.kind === 'table'
        ? block.rows.flatMap((row) =>
            row.map((cell, column) => ({ where: `${id}: ${block.columns[column]!.title}`, cell })),
          )
        : [],
    ),
  );
}

const countsOf = (of: Document): ItemCount[] =>
  cellsOf(of).flatMap(({ cell }) => (typeof cell === 'object' && 'counts' in cell ? cell.counts : []));

function wrongCounts(of: Document, listed: ItemIndex): ItemCount[] {
  return countsOf(of).filter(
    ({ count, items: selector }) =>
      selector && findEntries(listed, { ...everything, selector }).length !== (count ?? 0),
  );
}

/** Counts that open nothing: whole numbers, by the heading that they stand under. */
function plainCounts(of: Document): string[] {
  const plain = cellsOf(of).flatMap(({ where, cell }) => {
    const isCount =
      typeof cell === 'string'
        ? /^[\d,]+( \/ [\d,]+)?$/.test(cell)
        : 'counts' in cell && cell.counts.some(({ count, items }) => count && !items);
    return isCount ? [where] : [];
  });
  return [...new Set(plain)];
}

/** Numbers that are no numbers of items on record. */
const noItems = [
  'gate: items needed',
  'depth: tokens given',
  'knowledge: samples',
  // Who of the sample is still to be asked is not in the records.
  'labels: in the sample',
  'labels: completions',
  'training: rows',
  'training: steps',
  'training: tokens',
  'training: labelled tokens',
  'compared: Value',
  'compared: version',
  'compared: max tokens',
  'compared: temperature',
  'compared: top p',
  'compared: seed',
  'compared: Version',
];

const input = buildReportInput();
const document = built(input);
const repeatedInput = buildRepeatedInput();
const repeated = built(repeatedInput);

test('every number of items opens as many', () => {
  const counts = countsOf(document).filter(({ items }) => items);
  expect(counts.length).toBeGreaterThan(200);
  expect(wrongCounts(document, indexOf(document))).toEqual([]);
  expect(counts.filter(({ count }) => (count ?? 0) > 0).length).toBeGreaterThan(150);
});

test('so they do over repeats, wordings, given beginnings, grades, margins and samples', () => {
  const counts = countsOf(repeated).filter(({ items, count }) => items && (count ?? 0) > 0);
  expect(counts.length).toBeGreaterThan(300);
  expect(wrongCounts(repeated, indexOf(repeated))).toEqual([]);
  const titles = (id: string) =>
    cellsOf(repeated).flatMap(({ where, cell }) =>
      where.startsWith(`${id}: `) && typeof cell === 'object' && 'counts' in cell && cell.counts[0]!.count
        ? [where.slice(id.length + 2)]
        : [],
    );
  expect(new Set(titles('variance'))).toEqual(new Set(['items', 'dropped', 'flaky items']));
  expect(titles('depth')).toEqual(expect.arrayContaining(['dropped', 'pairs']));
  expect(titles('harm')).toEqual(expect.arrayContaining(['graded', 'not graded', 'pairs', 'dropped']));
});

test('no other count stands in a table but of what is no item', () => {
  for (const of of [document, repeated, built(buildFigureInput())])
    expect(plainCounts(of).filter((where) => !noItems.includes(where))).toEqual([]);
});

test('recorded outcomes without texts open what is known of them', () => {
  const { suites, items, verdicts, ...rest } = buildFigureInput();
  const rowsOf = joinOutcomes(suites, items, verdicts);
  const replay = built({ ...rest, suites: [], items: [], verdicts: [], rowsOf });
  const listed = indexOf(replay);
  expect(listed.entries.length).toBe(indexOf(built(buildFigureInput())).entries.length);
  expect(wrongCounts(replay, listed)).toEqual([]);
  const [detail] = detailsOf(replay);
  expect(detail!.prompt).toBeNull();
  expect(detail!.answers[0]).toMatchObject({ completion: null, unrecorded: true, sha256: null });
  expect(detail!.answers[0]!.verdicts.map(({ judge }) => judge)).toEqual(['guard', 'refusal']);
});

test('every item is there once, with every arm’s answer', () => {
  const index = indexOf(document);
  expect(index.entries.length).toBe(180 + 120 + 720);
  expect(index.total).toBe(index.entries.length);
  const details = detailsOf(document);
  expect(details.length).toBe(index.entries.length);
  expect(details.every(({ answers }) => answers.length === 4 && answers.every(Boolean))).toBe(true);
});

test('an answer that never came says why, without the words of a server that may quote a redacted prompt', () => {
  const failed = detailsOf(repeated).flatMap(({ answers }) => answers.flatMap((one) => one?.failure ?? []));
  expect(failed.length).toBeGreaterThan(5);
  expect(new Set(failed)).toEqual(new Set(['503']));
  const shown = buildDocument(repeatedInput, { showCompletions: true });
  const all = detailsOf(shown).flatMap(({ answers }) => answers.flatMap((one) => one?.failure ?? []));
  expect(new Set(all)).toEqual(new Set(['503 no capacity left for this text']));
});
