import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ArmResult } from '../../src/adjudication/result.ts';
import { audit } from '../../src/audit.ts';
import { type AdjudicateFlags, adjudicate } from '../../src/commands/adjudicate.ts';
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
    const { arms } = document as { arms: Record<string, ArmResult> };
    expect(arms.harmful!.labelled).toBeGreaterThan(5);
    // The refusal list is right in this world: nothing is to be corrected.
    expect(arms.harmful!.corrected!.rate).toBeCloseTo(arms.harmful!.judgedRate, 12);
    expect(arms.harmful!.difference!.deltaPoints).toBeCloseTo((100 * 40) / sizes.harm, 9);
    expect(arms.base!.difference).toBeNull();
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
    const { arms, sample } = document as { arms: Record<string, ArmResult>; sample: { open: number } };
    expect(sample.open).toBe(0);
    expect(readFileSync(join(run, 'human.jsonl'), 'utf8').split('\n').length).toBeGreaterThan(before);
    expect(arms.safe!.labelled + arms.safe!.skipped).toBe(sizes.harm);
    expect(text).toContain('corrected');
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
