import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { parquetReadObjects } from 'hyparquet';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exportRun } from '../../src/commands/export.ts';
import { type ReportFormat, report } from '../../src/commands/report.ts';
import type { Outcome } from '../../src/commands/verb.ts';
import type { ItemRow } from '../../src/documents/item-rows.ts';
import { importRun } from '../../src/import-run.ts';
import { quietContext } from '../command-context.ts';
import { mockFolder } from '../mock-world.ts';

/** A run whose arms, ids, categories, prompts and completions are made to break what they are written into. */

const hostile = [
  '=HYPERLINK("http://lantern.example","here")',
  '+1+cmd|calc!A0',
  '-1+1',
  '@SUM(1,2)',
  '\t=1+1',
  '\r=1+1',
  '\n=1+1',
  '＝1+1',
  'a","b\r\n=1+1,"c',
  '\'quoted, "twice""',
  '\u001b[31mred\u001b[0m \u001b]0;title\u0007',
  'left \u202egnp.txt\u202c \u2066inside\u2069',
  'nul \u0000 bell \u0007 delete \u007f',
  'ends\u0085of\u2028lines\u2029here\u000b\u000c',
  '</script><script>alert(1)</script>]]><!-- -- -->',
  '@octocat #12 https://lantern.example ![x](javascript:alert(1)) | `code`',
  'not characters \ufffe\uffff, astral 𝄞, joined 👩‍🚒',
];
const arms = ['base <&"\' =1 \u001b[2J', '=tuned\u202e"><b>@octocat\n| #12 \u0000\ufffe'];

let folder: string;
let run: string;

beforeAll(async () => {
  folder = mockFolder();
  const files = arms.map((_, arm) => {
    const path = join(folder, `arm-${arm}.json`);
    const entries = hostile.map((text) => [
      text,
      [{ test_case: `lantern ${text}?`, generation: text, label: arm }],
    ]);
    writeFileSync(path, JSON.stringify(Object.fromEntries(entries)));
    return path;
  });
  const behaviours = join(folder, 'behaviours.jsonl');
  const rows = hostile.map((text) => ({ id: text, prompt: `lantern ${text}?`, category: text }));
  writeFileSync(behaviours, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  ({ directory: run } = await importRun({
    ...{ arms: arms.map((name, at) => ({ name, path: files[at]! })), behaviours, out: join(folder, 'run') },
    ...{ baseArm: null, format: 'auto', unsafeScore: null, ownPrompts: false, fresh: false },
  }));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function sent(verb: (context: typeof quietContext) => Promise<Outcome>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  const write = async (piece: Uint8Array) => void pieces.push(piece);
  await verb({ ...quietContext, stdout: { isTerminal: false, write } });
  return Buffer.concat(pieces);
}
const exported = (format: 'csv' | 'jsonl' | 'parquet') =>
  sent((context) => exportRun(run, { format, showCompletions: true }, context));
const reported = (format: ReportFormat) => sent((context) => report(run, { format }, context));

const records = (data: Buffer): Record<string, string>[] => parse(data, { columns: true });
const isFormula = (text: string) => /^[=+\-@\t\r\n＝＋－＠]/.test(text);
/** What a cell must hold: the text, after an apostrophe where a spreadsheet would run it. */
const asCell = (text: string) => (isFormula(text) ? `'${text}` : text);
const expected = arms.flatMap((arm) => hostile.map((text) => [arm, text, text, `lantern ${text}?`, text]));
const textsOf = (row: Pick<ItemRow, 'arm' | 'id' | 'semanticCategory' | 'prompt' | 'completion'>) => [
  ...[row.arm, row.id, row.semanticCategory, row.prompt, row.completion],
];
const parquetRows = async (data: Buffer) =>
  (await parquetReadObjects({
    file: data.buffer.slice(data.byteOffset, data.byteOffset + data.length) as ArrayBuffer,
  })) as Record<string, unknown>[];

describe('hostile texts in an export', () => {
  it('stay cells of CSV, and none begins as a formula', async () => {
    const data = await exported('csv');
    const read = records(data) as unknown as ItemRow[];
    expect(read.map(textsOf)).toEqual(expected.map((texts) => texts.map(asCell)));
    expect(read.flatMap((row) => Object.values(row) as unknown as string[]).filter(isFormula)).toEqual([]);
  });

  it('stay lines of JSON, whatever a reader takes for the end of a line', async () => {
    const text = (await exported('jsonl')).toString();
    // biome-ignore lint/suspicious/noControlCharactersInRegex: where Python's splitlines breaks
    const lines = text.split(/\r\n|[\n\r\u000b\u000c\u001c-\u001e\u0085\u2028\u2029]/);
    expect(lines.pop()).toBe('');
    expect(lines.map((line) => textsOf(JSON.parse(line)))).toEqual(expected);
  });

  it('come back from Parquet as they were', async () => {
    const rows = (await parquetRows(await exported('parquet'))) as unknown as ItemRow[];
    expect(rows.map(textsOf)).toEqual(expected);
    expect(rows.map(({ labels }) => labels)).toEqual(
      arms.flatMap((_, arm) => hostile.map(() => [arm === 1 ? 'unsafe' : 'safe'])),
    );
  });
});

describe('hostile texts in a report', () => {
  it('stay cells of the table of results, as CSV and as Parquet', async () => {
    const summary = JSON.parse(readFileSync(join(run, 'summary.json'), 'utf8'));
    expect(Object.keys(summary.arms)).toEqual(arms);
    const [csv, parquet] = [records(await reported('csv')), await parquetRows(await reported('parquet'))];
    expect(csv.map(({ arm }) => arm)).toEqual(parquet.map(({ arm }) => asCell(arm as string)));
    const ofArm = parquet.filter(({ arm, semanticCategory }) => arm === arms[1] && semanticCategory);
    expect(ofArm.map(({ semanticCategory }) => semanticCategory).sort()).toEqual([...hostile].sort());
  });

  it('leave junit.xml well-formed, and the arm known in it', async () => {
    const xml = (await reported('junit')).toString();
    // biome-ignore lint/suspicious/noControlCharactersInRegex: those that XML 1.0 forbids
    expect(xml).not.toMatch(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff\u202e]/);
    const tag = /<\?xml [^?<>]*\?>|<\/?[a-z]+(?: [a-z]+="(?:[^<&"\n\t]|&(?:amp|lt|gt|quot|#9|#10);)*")*\/?>/g;
    expect(xml.replaceAll(tag, '').trim()).toBe('');
    expect(xml).toContain('name="=tuned⟨U+202E⟩&quot;&gt;&lt;b&gt;@octocat&#10;| #12 ␀\ufffd"');
  });

  it('leave the comment inert', async () => {
    const text = (await reported('md')).toString();
    expect(text).toContain('octocat');
    expect(text).not.toMatch(/@octocat|#12|:\/\/|(?<!\\)<(?:b|script|img)|(?<!\\)\]\(/);
    expect(text.replaceAll(/[\n\u200d]/g, '')).not.toMatch(/[\p{Cc}\p{Cf}\u2028\u2029]/u);
  });
});
