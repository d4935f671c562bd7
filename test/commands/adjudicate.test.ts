import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inflateRawSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { audit } from '../../src/audit.ts';
import { type AdjudicateFlags, adjudicate } from '../../src/commands/adjudicate.ts';
import type { AdjudicatedDocument } from '../../src/human-record.ts';
import { judgeRun } from '../../src/judge-run.ts';
import { everything, findEntries } from '../../src/page/select.ts';
import { buildDocument, type Table } from '../../src/report/document.ts';
import type { ItemDetail, ItemIndex } from '../../src/report/page-data.ts';
import { readReportInput, rewriteReport } from '../../src/run-report.ts';
import { auditErrorOf } from '../audit-error.ts';
import { quietContext } from '../command-context.ts';
import { mockConfig, mockFolder, mockParts, sizes } from '../mock-world.ts';

let folder: string;
let run: string;
const queue = () => join(folder, 'queue.csv');
const ask = (flags: AdjudicateFlags) => adjudicate(run, flags, quietContext);

beforeAll(async () => {
  folder = mockFolder();
  ({ directory: run } = await audit(mockConfig, { directory: folder, builtin: mockParts() }));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The queue with labels: what glows is unsafe. */
function fillIn(
  label: (row: string) => string = (completion) => (completion.includes('glows') ? 'unsafe' : 'safe'),
) {
  const [header, ...rows] = readFileSync(queue(), 'utf8').trim().split('\r\n');
  const filled = rows.map((row) => row + label(row));
  writeFileSync(queue(), [header, ...filled].join('\r\n'));
  return rows;
}

describe('adjudicate', () => {
  it('needs a terminal or a file', async () => {
    expect((await auditErrorOf(() => ask({}))).hint).toContain('--export');
    expect(existsSync(join(run, 'adjudication.json')), 'and draws no sample before').toBe(false);
  });

  it('gives out a blind queue that only its owner may read, and takes its labels', async () => {
    await ask({ n: 80, export: queue() });
    expect(statSync(queue()).mode & 0o777).toBe(0o600);
    const rows = fillIn();
    expect(rows.length).toBeGreaterThan(50);
    const text = rows.join('\n');
    for (const word of ['harmful', 'control', 'base', 'unsafe']) expect(text).not.toContain(word);
    const { document } = await ask({ import: queue(), labeller: 'one' });
    const { arms } = document as AdjudicatedDocument;
    const harmful = arms.harmful!.judges.refusal!;
    expect(arms.harmful!.labelled).toBeGreaterThan(5);
    // The refusal list is right in this world: nothing is to be corrected.
    expect(harmful.corrected!.rate).toBeCloseTo(harmful.judgedRate, 12);
    expect(harmful.difference!.deltaPoints).toBeCloseTo((100 * 40) / sizes.harm, 9);
    expect(arms.base!.judges.refusal!.difference).toBeNull();
    const lines = readFileSync(join(run, 'human.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines).toHaveLength(rows.length);
    for (const { inclusionProbability, labeller } of lines) {
      expect(inclusionProbability).toBeGreaterThan(0);
      expect(labeller).toBe('one');
    }
    expect(existsSync(join(run, 'adjudicated.json'))).toBe(true);
  });

  it('adds to the sample when more are asked for, and keeps what was labelled', async () => {
    await ask({ n: 4 * sizes.harm, export: queue() });
    const before = readFileSync(join(run, 'human.jsonl'), 'utf8').split('\n').length;
    fillIn((row) => (row.includes('lantern 3?') ? 'skip' : row.includes('glows') ? 'unsafe' : 'safe'));
    const { document, text } = await ask({ import: queue() });
    const { arms, sample } = document as AdjudicatedDocument;
    expect(sample.open).toBe(0);
    expect(readFileSync(join(run, 'human.jsonl'), 'utf8').split('\n').length).toBeGreaterThan(before);
    expect(arms.safe!.labelled + arms.safe!.skipped).toBe(sizes.harm);
    expect(text).toContain('corrected');
  });

  it('says how far two people agree, and shows it in the report with the corrected rates', async () => {
    const { document, text } = await ask({ export: queue(), labeller: 'two' });
    expect(
      (document as AdjudicatedDocument).labellers.krippendorffAlpha,
      'one and unnamed share nothing',
    ).toMatchObject({
      units: 0,
      value: null,
    });
    expect(text).toContain('wrote');
    let row = 0;
    // The second person calls every tenth otherwise: a tie each.
    fillIn((completion) => (completion.includes('glows') === row++ % 10 > 0 ? 'unsafe' : 'safe'));
    const second = await ask({ import: queue(), labeller: 'two' });
    const { labellers, arms, sample } = second.document as AdjudicatedDocument;
    expect(labellers.labels.two).toBe(sample.drawn);
    expect(labellers.krippendorffAlpha!.value).toBeGreaterThan(0.6);
    expect(labellers.krippendorffAlpha!.value).toBeLessThan(1);
    expect(labellers.cohenKappa!.map((pair) => pair.labellers.join(' '))).toEqual([
      'one two',
      'one unnamed',
      'two unnamed',
    ]);
    const tied = Object.values(arms).reduce((sum, { unresolved }) => sum + unresolved, 0);
    expect(tied).toBeGreaterThan(10);
    expect(second.text).toContain(`the majority counts; ${tied} tied, and not labelled`);
    await rewriteReport(run, { showCompletions: false });
    for (const file of ['report.md', 'report.html']) {
      const report = readFileSync(join(run, file), 'utf8');
      for (const words of ['Human labels', 'Agreement of the people', 'Rogan and Gladen', 'corrected'])
        expect(report, `${file}: ${words}`).toContain(words);
      expect(report).not.toContain('Out of date');
    }
  });

  it('opens the completions that people labelled, with what each said', async () => {
    const document = buildDocument(await readReportInput(run), { showCompletions: false });
    const packed = document.items()!;
    const unpack = (data: string) => JSON.parse(inflateRawSync(Buffer.from(data, 'base64')).toString());
    const index = unpack(packed.index) as ItemIndex;
    const table = document.sections
      .find(({ id }) => id === 'labels')!
      .blocks.find(({ kind }) => kind === 'table');
    const counts = (table as Table).rows
      .flat()
      .flatMap((cell) => (typeof cell === 'object' && 'counts' in cell ? cell.counts : []));
    expect(counts.length).toBe(4 * 4);
    for (const { count, items } of counts)
      expect([items, findEntries(index, { ...everything, selector: items }).length]).toEqual([items, count]);
    const details = packed.chunks.flatMap((chunk) => unpack(chunk) as ItemDetail[]);
    const said = details.flatMap(({ answers }) => answers.flatMap((answer) => answer?.verdicts ?? []));
    expect(
      said.filter(({ judge, notes }) => judge === 'two' && notes[0] === 'a person').length,
    ).toBeGreaterThan(50);
  });

  it('is out of date when another judge has spoken, and takes the labels along to it', async () => {
    await judgeRun(run, [{ type: 'refusal', name: 'again' }], { builtin: mockParts() });
    const report = () => readFileSync(join(run, 'report.md'), 'utf8');
    expect(report()).toContain('Out of date: verdicts.jsonl changed since these numbers were computed.');
    const { document } = await ask({ labeller: 'two' });
    const { arms, judges } = document as AdjudicatedDocument;
    expect(judges).toEqual(['refusal', 'again']);
    expect(arms.safe!.judges.again!.corrected).toEqual(arms.safe!.judges.refusal!.corrected);
    await rewriteReport(run, { showCompletions: false });
    expect(report()).not.toContain('Out of date');
  });

  it('names every line of a file that is not as it should be, and takes nothing of it', async () => {
    const earlier = readFileSync(join(run, 'human.jsonl'), 'utf8');
    writeFileSync(queue(), 'ticket,prompt,completion,label\r\nnone,a,b,safe\r\n');
    expect((await auditErrorOf(() => ask({ import: queue() }))).problems).toEqual([
      'line 2: ticket "none" is not of this queue',
    ]);
    expect(readFileSync(join(run, 'human.jsonl'), 'utf8')).toBe(earlier);
  });
});
