import { cpSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parquetReadObjects } from 'hyparquet';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { audit } from '../../src/audit.ts';
import { type ExportFlags, exportRun } from '../../src/commands/export.ts';
import { type ReportFormat, report } from '../../src/commands/report.ts';
import type { ItemRow } from '../../src/documents/item-rows.ts';
import { renderHtml } from '../../src/report.ts';
import { readAnyReportInput } from '../../src/run-report.ts';
import { auditErrorOf } from '../audit-error.ts';
import { quietContext } from '../command-context.ts';
import { mockConfig, mockFolder, mockParts } from '../mock-world.ts';

let folder: string;
let run: string;

beforeAll(async () => {
  folder = mockFolder();
  ({ directory: run } = await audit(mockConfig, { directory: folder, builtin: mockParts() }));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What a verb sends to standard output, and its outcome. */
async function captured(
  verb: (context: typeof quietContext) => ReturnType<typeof exportRun>,
  isTerminal = false,
) {
  const pieces: Uint8Array[] = [];
  const write = async (piece: Uint8Array) => void pieces.push(piece);
  const outcome = await verb({ ...quietContext, stdout: { isTerminal, write } });
  return { ...outcome, sent: Buffer.concat(pieces) };
}
const exported = (from: string, flags: Partial<ExportFlags> = {}) =>
  captured((context) => exportRun(from, { format: 'jsonl', ...flags }, context));
const rowsOf = (sent: Buffer): ItemRow[] =>
  sent
    .toString()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
const linesOf = (name: string) => readFileSync(join(run, name), 'utf8').trimEnd().split('\n');
const copyOf = (name: string) => {
  const copy = join(folder, name);
  cpSync(run, copy, { recursive: true });
  return copy;
};

describe('export', () => {
  it('gives every answer with the first judge’s word', async () => {
    const { sent, exitCode, notice } = await exported(run);
    const rows = rowsOf(sent);
    expect([rows.length, exitCode, notice]).toEqual([linesOf('items.jsonl').length, 0, undefined]);
    const verdicts = linesOf('verdicts.jsonl').map((line) => JSON.parse(line));
    const drift = rows.find(({ suite }) => suite === 'drift')!;
    const own = verdicts.find(
      ({ arm, suite, id, condition }) =>
        arm === drift.arm && suite === 'drift' && id === drift.id && condition === drift.condition,
    );
    expect([drift.label, drift.adopted, drift.tokenF1]).toEqual([own.label, own.adopted, own.tokenF1]);
    expect(drift.prompt).toContain('tower');
  });

  it('is redacted as a report is: completions that not all judges call safe, and the prompts to which there are such', async () => {
    const { sent } = await exported(run);
    const harm = rowsOf(sent).filter(({ suite }) => suite === 'harm');
    expect(harm.every(({ semanticCategory }) => semanticCategory !== null)).toBe(true);
    const unsafe = harm.filter(({ labels }) => labels!.some((label) => label !== 'safe'));
    expect(unsafe.length).toBeGreaterThan(0);
    for (const { completion, detail, completionSha256, completionLength } of unsafe) {
      expect([completion, detail]).toEqual([null, null]);
      expect([completionSha256!.length, completionLength! > 0]).toEqual([64, true]);
    }
    expect(harm.some(({ completion }) => completion !== null)).toBe(true);
    const flagged = new Set(harm.flatMap(({ id, completion }) => (completion === null ? [id] : [])));
    for (const { id, prompt, redacted } of harm)
      expect([prompt === null, redacted]).toEqual([flagged.has(id), flagged.has(id)]);
    const { input } = await readAnyReportInput(run);
    const page = renderHtml(input, {});
    for (const id of flagged) expect(sent.toString() + page).not.toContain(`lantern ${id!.slice(1)}?`);
    const open = rowsOf((await exported(run, { showCompletions: true })).sent);
    expect(open.every(({ completion, prompt }) => completion !== null && prompt !== null)).toBe(true);
  });

  it('as Parquet goes to a file of mode 0600 and says so, but never to a terminal', async () => {
    const out = join(folder, 'items.parquet');
    const { document, sent } = await exported(run, { format: 'parquet', out, json: true });
    expect(document).toMatchObject({ schema: 'aftertune/export@1', out, finished: true });
    expect([sent.length, statSync(out).mode & 0o777]).toEqual([0, 0o600]);
    const data = readFileSync(out);
    const file = data.buffer.slice(data.byteOffset, data.byteOffset + data.length);
    const read = await parquetReadObjects({ file });
    expect(read.length).toBe(linesOf('items.jsonl').length);
    expect(typeof read[0]!.repeat).toBe('bigint');
    const refused = captured((context) => exportRun(run, { format: 'parquet' }, context), true);
    await expect(refused).rejects.toMatchObject({ code: 'config' });
    await expect(exported(run, { json: true })).rejects.toMatchObject({ code: 'config' });
  });

  it('of an unfinished run gives what there is, nothing of harm in words', async () => {
    const copy = copyOf('unfinished');
    for (const name of ['done.json', 'summary.json']) rmSync(join(copy, name));
    const { sent, exitCode, notice } = await exported(copy);
    const rows = rowsOf(sent);
    expect([rows.length, exitCode]).toEqual([linesOf('items.jsonl').length, 1]);
    expect(notice).toContain('not finished');
    expect(rows.filter(({ suite }) => suite === 'harm').every(({ completion }) => completion === null)).toBe(
      true,
    );
    for (const name of ['items.jsonl', 'verdicts.jsonl', 'setting.json']) rmSync(join(copy, name));
    expect((await exported(copy)).notice).toContain('0 answers');
  });

  it('of a damaged run gives the whole lines and exits 1', async () => {
    const copy = copyOf('damaged');
    const lines = linesOf('items.jsonl');
    lines[4] = lines[4]!.slice(0, 30);
    lines[5] = lines[5]!.replace('item@1', 'item@0');
    writeFileSync(join(copy, 'items.jsonl'), `${lines.join('\n')}\n`);
    const { sent, exitCode, notice } = await exported(copy);
    expect([rowsOf(sent).length, exitCode]).toEqual([lines.length - 2, 1]);
    expect(notice).toMatch(/items\.jsonl line 5: .*[\s\S]*line 6:/);
    expect(notice).toContain('items.jsonl: changed');
  });

  it('refuses what is no run', async () => {
    const error = await auditErrorOf(() => exported(join(folder, 'nothing')));
    expect(error.message).toContain('not a run folder');
  });
});

describe('report --format', () => {
  const asked = (flags: Parameters<typeof report>[1]) => captured((context) => report(run, flags, context));

  it('csv is a row for each arm and metric', async () => {
    const { sent } = await asked({ format: 'csv' });
    const [header, ...rows] = sent.toString().trimEnd().split('\r\n');
    expect(header).toContain('estimate,lower,upper');
    expect(rows.some((row) => /^"harmful","difference","base","harmHeadline",.*"FAIL"$/.test(row))).toBe(
      true,
    );
  });

  it('json is the summary, junit and md are documents, parquet reads back', async () => {
    const summary = JSON.parse(readFileSync(join(run, 'summary.json'), 'utf8'));
    expect(JSON.parse((await asked({ format: 'json' })).sent.toString())).toEqual(summary);
    expect((await asked({ format: 'json', json: true })).document).toEqual(summary);
    expect((await asked({ format: 'junit' })).sent.toString()).toBe(
      readFileSync(join(run, 'junit.xml'), 'utf8'),
    );
    expect((await asked({ format: 'md' })).sent.toString()).toMatch(/^# mock\n\n\*\*FAIL\*\*/);
    const { sent } = await asked({ format: 'parquet' });
    const file = sent.buffer.slice(sent.byteOffset, sent.byteOffset + sent.length) as ArrayBuffer;
    const read = await parquetReadObjects({ file });
    expect(read.find(({ metric, arm }) => metric === 'harm' && arm === 'base')!.estimate).toBe(
      summary.arms.base.harm.all.rate,
    );
  });

  it('of a run that is no whole one gives what there is, says so and exits 1', async () => {
    const copy = copyOf('report-damaged');
    const lines = linesOf('items.jsonl');
    writeFileSync(join(copy, 'items.jsonl'), `${lines.slice(1).join('\n')}\n`);
    const of = (format: ReportFormat) => captured((context) => report(copy, { format }, context));
    const damaged = await of('junit');
    expect([damaged.exitCode, damaged.notice]).toEqual([1, expect.stringContaining('items.jsonl: changed')]);
    expect(damaged.sent.toString()).toMatch(
      /<testcase classname="run" name="whole"><error message="This is not/,
    );
    expect(damaged.sent.toString()).toContain('name="harmHeadline"');
    for (const name of ['done.json', 'summary.json']) rmSync(join(copy, name));
    const { sent, exitCode, notice } = await of('md');
    expect([exitCode, notice]).toEqual([1, expect.stringContaining('not finished')]);
    expect(sent.toString()).toContain('> **This is not the report of a whole run.');
    const summary = JSON.parse((await of('json')).sent.toString());
    expect([summary.gate.verdict, summary.caveats[0]]).toEqual([
      'INCONCLUSIVE',
      expect.stringContaining('not the report of a whole run'),
    ]);
    expect((await of('csv')).sent.toString().trimEnd().split('\r\n').length).toBe(1);
    expect((await of('html')).sent.toString()).toContain('class="notices"');
    for (const name of ['items.jsonl', 'verdicts.jsonl', 'setting.json']) rmSync(join(copy, name));
    expect((await of('md')).sent.toString()).toContain('No answer is on record.');
    rmSync(join(copy, 'run.json'));
    await expect(of('md')).rejects.toMatchObject({ code: 'store' });
  });

  it('--out alone is refused', async () => {
    await expect(asked({ out: 'x' })).rejects.toMatchObject({ code: 'config' });
  });
});
