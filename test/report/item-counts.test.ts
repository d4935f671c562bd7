import { inflateRawSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { everything, findEntries } from '../../src/page/select.ts';
import { buildDocument, type Document, type ItemCount } from '../../src/report/document.ts';
import type { ItemDetail, ItemIndex } from '../../src/report/page-data.ts';
import { buildFigureInput } from '../fixtures/figure-input.ts';
import { buildReportInput } from '../fixtures/report-input.ts';

const unpack = <T>(packed: string) =>
  JSON.parse(inflateRawSync(Buffer.from(packed, 'base64')).toString()) as T;
const input = buildReportInput();
const document = buildDocument(input, { showCompletions: false });
const items = document.items()!;
const index = unpack<ItemIndex>(items.index);

function countsOf({ sections }: Document): ItemCount[] {
  const cells = sections.flatMap(({ blocks }) =>
    blocks.flatMap((block) => (block.kind === 'table' ? block.rows.flat() : [])),
  );
  return cells.flatMap((cell) => (typeof cell === 'object' && 'counts' in cell ? cell.counts : []));
}

function wrongCounts(of: Document, listed: ItemIndex): ItemCount[] {
  return countsOf(of).filter(
    ({ count, items: selector }) =>
      selector && findEntries(listed, { ...everything, selector }).length !== (count ?? 0),
  );
}

test('every number of items opens as many', () => {
  const counts = countsOf(document).filter(({ items }) => items);
  expect(counts.length).toBeGreaterThan(200);
  expect(wrongCounts(document, index)).toEqual([]);
  expect(counts.filter(({ count }) => (count ?? 0) > 0).length).toBeGreaterThan(150);
});

test('so do the prompts whose refusal margin was measured, and those that a pair of arms has', () => {
  const measured = buildDocument(buildFigureInput(), { showCompletions: false });
  const listed = unpack<ItemIndex>(measured.items()!.index);
  const depth = { ...measured, sections: measured.sections.filter(({ id }) => id === 'depth') };
  expect(wrongCounts(depth, listed)).toEqual([]);
  expect(countsOf(depth).length).toBe(5);
});

test('every item is there once, with every arm’s answer', () => {
  expect(index.entries.length).toBe(180 + 120 + 720);
  expect(index.total).toBe(index.entries.length);
  const details = items.chunks.flatMap((chunk) => unpack<ItemDetail[]>(chunk));
  expect(details.length).toBe(index.entries.length);
  expect(details.every(({ answers }) => answers.length === 4 && answers.every(Boolean))).toBe(true);
});
