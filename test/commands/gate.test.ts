import { appendFileSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { audit } from '../../src/audit.ts';
import { adjudicate } from '../../src/commands/adjudicate.ts';
import { gate } from '../../src/commands/gate.ts';
import type { GateCheck } from '../../src/gate.ts';
import { readPolicy } from '../../src/policy.ts';
import { rewriteReport } from '../../src/run-report.ts';
import { auditErrorOf } from '../audit-error.ts';
import { quietContext } from '../command-context.ts';
import { mockConfig, mockFolder, mockParts } from '../mock-world.ts';
import { temporaryFile } from '../temporary-folder.ts';

let folder: string;
let run: string;

beforeAll(async () => {
  folder = mockFolder();
  ({ directory: run } = await audit(mockConfig, { directory: folder, builtin: mockParts() }));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const policy = (text: string) => temporaryFile('policy.yaml', text);
async function held(text: string) {
  const { document, exitCode } = await gate(run, { policy: policy(text) }, quietContext);
  const { checks, verdict } = document as { checks: GateCheck[]; verdict: string };
  return {
    exitCode,
    verdict,
    of: (arm: string, name: string) =>
      checks.find((check) => check.arm === arm && check.name === name)?.verdict,
  };
}

describe('gate', () => {
  it('without a policy says what the run said', async () => {
    const { document, exitCode, text } = await gate(run, {}, quietContext);
    const summary = JSON.parse(readFileSync(join(run, 'summary.json'), 'utf8'));
    const { comparisons, verdict } = document as { comparisons: object; verdict: string };
    expect(comparisons).toEqual(summary.comparisons);
    expect([verdict, exitCode]).toEqual([summary.gate.verdict, summary.gate.exitCode]);
    expect(text).toContain('exit code');
    for (const file of ['junit.xml', 'gate.md', 'gate.json'])
      expect(existsSync(join(run, 'gate', file))).toBe(true);
    expect(statSync(join(run, 'gate')).mode & 0o777).toBe(0o700);
    expect(JSON.parse(readFileSync(join(run, 'gate/gate.json'), 'utf8'))).toEqual(document);
  });

  it('fails a red-team arm that a policy gates, and passes an unchanged one with a wide margin', async () => {
    const both = await held(
      'arms: [harmful, control]\nmarginsPoints: { harm: 30, overRefusal: 30, accuracy: 40 }\n',
    );
    expect(both.of('harmful', 'harmHeadline')).toBe('FAIL');
    expect(both.of('control', 'harmHeadline')).toBe('PASS');
    expect([both.verdict, both.exitCode]).toEqual(['FAIL', 2]);
    const one = await held('arms: [control]\nmarginsPoints: { harm: 30, overRefusal: 30, accuracy: 40 }\n');
    expect([one.verdict, one.exitCode]).toEqual(['PASS', 0]);
    const junit = readFileSync(join(run, 'gate/junit.xml'), 'utf8');
    expect(junit).toContain('failures="0" skipped="0"');
  });

  it('takes back what rests on too little: pairs, agreement, a metric that is missing', async () => {
    const wide = 'arms: [control]\nmarginsPoints: { harm: 30, overRefusal: 30, accuracy: 40 }\n';
    const few = await held(`${wide}minimumPairs: 50\n`);
    expect([few.of('control', 'harmHeadline'), few.of('control', 'overRefusal')]).toEqual([
      'PASS',
      'INCONCLUSIVE',
    ]);
    expect(few.exitCode).toBe(4);
    expect((await held(`${wide}minimumKappa: 0.5\n`)).of('control', 'harmHeadline')).toBe('INCONCLUSIVE');
    const harmful = await held('arms: [harmful]\nminimumPairs: 500\n');
    expect(harmful.of('harmful', 'harmHeadline'), 'few pairs do not excuse a failure').toBe('FAIL');
  });

  it('holds arms to levels of their own', async () => {
    const capped = await held(
      'arms: [safe, harmful]\nmaximumRate: { harmHeadline: 0.5 }\nminimumAccuracy: 0.99\n',
    );
    expect(capped.of('safe', 'maximumRate.harmHeadline')).toBe('PASS');
    expect(capped.of('harmful', 'maximumRate.harmHeadline')).toBe('FAIL');
    expect(capped.of('safe', 'minimumAccuracy')).toBe('FAIL');
    expect(
      (await held('arms: [safe]\nmaximumRate: { harmHeadline: 0.01 }\n')).of(
        'safe',
        'maximumRate.harmHeadline',
      ),
    ).toBe('INCONCLUSIVE');
  });

  it('does not repeat what the run said under margins of its own', async () => {
    const { caveats } = JSON.parse(readFileSync(join(run, 'summary.json'), 'utf8')) as { caveats: string[] };
    const own = caveats.filter((caveat) => caveat.includes(' at 5 points '));
    expect(own.length).toBeGreaterThan(0);
    const path = policy('marginsPoints: { harm: 30, overRefusal: 30, accuracy: 40 }\n');
    const { document } = await gate(run, { policy: path }, quietContext);
    const under = (document as { caveats: string[] }).caveats;
    expect(under.filter((caveat) => caveat.includes(' at 5 points '))).toEqual([]);
    const others = caveats.filter((caveat) => !/ points | FAIL on /.test(caveat));
    expect(under).toEqual(expect.arrayContaining(others));
  });

  it('names what is wrong with a policy', async () => {
    const wrong = await auditErrorOf(() =>
      readPolicy(policy('margin: 3\nstrict: maybe\nlargestUnscoredShare: 0.2\n')),
    );
    expect(wrong.code).toBe('config');
    expect(wrong.problems).toHaveLength(3);
    const arms = await auditErrorOf(() =>
      gate(run, { policy: policy('arms: [base, nobody]\n') }, quietContext),
    );
    expect(arms.problems).toEqual([
      'base: is what the others are compared with',
      'nobody: no such arm in this run',
    ]);
  });

  it('may be held to one policy after another, whatever is made of the run between', async () => {
    const other = mockFolder();
    const { directory } = await audit(mockConfig, { directory: other, builtin: mockParts() });
    await gate(directory, {}, quietContext);
    await adjudicate(directory, { n: 20, export: join(other, 'queue.csv') }, quietContext);
    // The report keeps the hash of everything in the folder, gates and labels among it.
    await rewriteReport(directory, { showCompletions: false });
    await gate(directory, { policy: policy('arms: [harmful]\n') }, quietContext);
    await adjudicate(directory, { n: 60, export: join(other, 'queue.csv') }, quietContext);
    await rewriteReport(directory, { showCompletions: false });
    expect((await gate(directory, {}, quietContext)).exitCode).toBe(2);
    rmSync(other, { recursive: true });
  });

  it('refuses records that are not those of the run', async () => {
    const other = mockFolder();
    const { directory } = await audit(mockConfig, { directory: other, builtin: mockParts() });
    writeFileSync(join(directory, 'report.md'), 'anything');
    await gate(directory, {}, quietContext);
    appendFileSync(join(directory, 'verdicts.jsonl'), '\n');
    expect((await auditErrorOf(() => gate(directory, {}, quietContext))).problems).toEqual([
      'verdicts.jsonl: changed',
    ]);
    rmSync(join(directory, 'done.json'));
    expect((await auditErrorOf(() => gate(directory, {}, quietContext))).message).toContain(
      'not a finished run',
    );
    rmSync(other, { recursive: true });
  });
});
