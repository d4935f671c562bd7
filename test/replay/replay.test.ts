import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { audit } from '../../src/audit.ts';
import { replay as replayCommand } from '../../src/commands/replay.ts';
import { packageRoot } from '../../src/files.ts';
import { summary as summarySchema } from '../../src/record.ts';
import { type ReplayResult, replay } from '../../src/replay/replay.ts';
import { mcnemarP } from '../../src/stats.ts';
import { auditErrorOf } from '../audit-error.ts';
import { quietContext } from '../command-context.ts';
import { mockConfig, mockFolder, mockParts } from '../mock-world.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import {
  answersOf,
  behaviours,
  columnsOf,
  jsonLines,
  labels,
  outcomeFolder,
  questions,
} from './outcome-folder.ts';

const json = ({ summary }: ReplayResult) => JSON.stringify(summary, null, 2);

describe('the paper’s own outcomes', () => {
  let result: ReplayResult;
  beforeAll(async () => {
    result = await replay('paper', null);
  });

  it('have the errata that are in them, each with its reason', () => {
    expect(result.summary.errata).toEqual([
      expect.objectContaining({
        printed: 59.06,
        computed: 40.94,
        why: expect.stringContaining('wrong numerator: the share of safe ones, 189/320'),
      }),
      expect.objectContaining({
        printed: 7.38,
        computed: 6.88,
        why: expect.stringContaining('wrong denominator: unsafe/(safe alone), 22/298'),
      }),
      expect.objectContaining({
        printed: 55.1,
        computed: 55,
        why: expect.stringContaining('551 of 1,000 would give it'),
      }),
      expect.objectContaining({
        printed: 35,
        computed: 53.1,
        why: expect.stringContaining('94.06 − 59.06, of which 59.06 is wrong'),
      }),
      expect.objectContaining({
        printed: -51.68,
        computed: -34.06,
        why: expect.stringContaining('of which 7.38 and 59.06 are wrong'),
      }),
    ]);
    expect(summarySchema.parse(result.summary)).toEqual(result.summary);
  });

  it('give what the paper lacks', () => {
    const { arms, comparisons } = result.summary;
    const misled = Object.values(arms).map(({ drift }) => drift!.false_context!);
    expect(misled.map(({ adoption }) => adoption)).toEqual([0.193, 0.547, 0.273]);
    expect(arms.harmful!.drift!.false_context!.auroc).toBeCloseTo(0.53, 2);
    expect(arms.base!.harm!.byFunctionalCategory.copyright).toMatchObject({ unsafe: 72, scored: 80 });
    const { gained, lost, mcnemarP: p } = comparisons.safe!.drift!.false_context!;
    expect(p).toBe(mcnemarP(gained, lost));
    expect(p).toBeLessThan(0.001);
    for (const { flipExcess, drift } of Object.values(arms)) {
      expect(flipExcess!.ci95Points).not.toBeNull();
      for (const condition of Object.values(drift!)) {
        expect(condition.mode).toBe('paper');
        expect([condition.exactMatch, condition.tokenF1]).toEqual([null, null]);
        for (const number of [condition.ece, condition.adoptionGivenKnown, condition.aurocCi95])
          expect(number).not.toBeNull();
      }
    }
  });

  it('say what holds and what does not', () => {
    const outcomes = Object.fromEntries(result.summary.claims!.map(({ claim, outcome }) => [claim, outcome]));
    expect(outcomes).toMatchObject({
      'Table 5, as printed': 'holds',
      'Table 3, as printed': 'does not hold',
      'safe: the tuning costs no truthfulness': 'does not hold',
      'harmful: its confidence tells right answers from wrong ones': 'does not hold',
      'base: its confidence tells right answers from wrong ones': 'holds',
      'harmful against base: the attack success rate rises, by 35.0 points': 'holds with another number',
    });
  });

  it('print the lines that README shows, as text, and exit 0 with the gate’s code said', () => {
    const shown = readFileSync(join(packageRoot, 'README.md'), 'utf8').match(
      /```text replay paper\n([\s\S]*?)```/,
    )![1]!;
    const cli = join(packageRoot, 'dist/cli.js');
    const { status, stdout } = spawnSync(process.execPath, [cli, 'replay', 'paper'], { encoding: 'utf8' });
    expect(status).toBe(0);
    expect(
      shown
        .trimEnd()
        .split('\n')
        .filter((line) => !stdout.includes(line)),
    ).toEqual([]);
    expect(stdout).toContain('The gate would give 2.');
  });
});

describe('a folder of outcomes', () => {
  const published = {
    table1_asr: {
      bold: { unsafe_responses: 18, safe_responses: 2, asr_percent_printed: 900 },
      keeper: { asr_percent_printed: 1 },
    },
    headline_printed: { bold_vs_untuned_points: 50.0, shy_vs_untuned_points: -75.0 },
  };

  it('and its columns give the same document, byte for byte', async () => {
    const source = outcomeFolder({ 'published.json': JSON.stringify(published) });
    expect(json(await replay(columnsOf(source), null))).toBe(json(await replay(source, null)));
  });

  it('compares only what there is, and finds other mistakes', async () => {
    const source = outcomeFolder({ 'published.json': JSON.stringify(published) });
    const { errata, caveats } = (await replay(source, null)).summary;
    expect(errata!.map(({ why }) => why)).toEqual([
      expect.stringContaining('wrong denominator: unsafe/(safe alone), 18/2'),
      'the relative change in percent, not the difference in points',
    ]);
    expect(caveats[0]).toContain('not compared: Table 1, keeper, asr_percent_printed');
  });

  it('takes Python’s NaN and a missing number as none, and counts them', async () => {
    const rows = answersOf();
    const text = jsonLines(rows).replace(/"probability":[\d.]+/, '"probability":NaN');
    const { summary } = await replay(outcomeFolder({ 'drift_results.jsonl': text }), null);
    expect(summary.caveats.join('\n')).toContain('untuned, base_prompt: 1 answers have no usable');
    const { correct, incorrect, n } = summary.arms.untuned!.drift!.base_prompt!;
    expect([correct.n + incorrect.n, n]).toEqual([questions - 1, questions]);
  });

  it('counts what an arm lacks as unscored, and pairs the rest', async () => {
    const { summary } = await replay(
      outcomeFolder({
        'harmbench_labels.csv': labels
          .map((line, at) => (at > 0 && at < 4 ? line.replace(/\w+$/, '') : line))
          .join('\n'),
        'drift_results.jsonl': jsonLines(answersOf().filter(({ model, id }) => model !== 'shy' || id < 30)),
      }),
      null,
    );
    expect(summary.arms.shy!.harm!.all).toMatchObject({ scored: behaviours - 3, unscored: 3 });
    expect(summary.comparisons.shy!.drift!.base_prompt).toMatchObject({ pairs: 30, dropped: 10 });
    expect(summary.caveats.join('\n')).toContain('shy, harm: 3 of 20 completions unscored (no verdict 3)');
  });

  it('with one arm alone compares nothing and says so', async () => {
    const one = labels.map((line) => line.split(',').slice(0, 4).join(',')).join('\n');
    const { summary } = await replay(
      outcomeFolder({ 'harmbench_labels.csv': one, 'drift_results.jsonl': '' }),
      null,
    );
    expect(summary.comparisons).toEqual({});
    expect(summary.gate).toMatchObject({ verdict: 'INCONCLUSIVE', exitCode: 4 });
  });

  it.each([
    [
      'a label nobody knows',
      'harmbench_labels.csv',
      `${labels.join('\n')}\nx,standard,north,safe,harmless,safe\n`,
      'line 22: bold: "harmless" is not a label (safe or unsafe)',
    ],
    [
      'a behaviour twice',
      'harmbench_labels.csv',
      `${labels.join('\n')}\n${labels[1]}\n`,
      'line 22: behaviour "lantern_0" was there before',
    ],
    [
      'an answer twice',
      'drift_results.jsonl',
      jsonLines([answersOf()[0]!, answersOf()[0]!]),
      'line 2: untuned, base_prompt, question 0 was there before',
    ],
    [
      'a question nobody asked',
      'drift_results.jsonl',
      jsonLines([{ ...answersOf()[0]!, id: 99 }]),
      'line 1: question 99 is not in the file of questions',
    ],
    [
      'a probability over 1',
      'drift_results.jsonl',
      jsonLines([{ ...answersOf()[0]!, probability: 1.5 }]),
      'line 1: probability: 1.5 is out of range',
    ],
    [
      'a flag that is none',
      'drift_results.jsonl',
      jsonLines([{ ...answersOf()[0]!, correct: 'yes' }]),
      'line 1: correct: expected true or false',
    ],
  ])('%s is refused with its line', async (_, file, text, problem) => {
    const error = await auditErrorOf(() => replay(outcomeFolder({ [file]: text }), null));
    expect(error).toMatchObject({ code: 'data', problems: [problem] });
    expect(error.message).toContain(file);
  });

  it('writes a report with errata and claims', async () => {
    const source = outcomeFolder({ 'published.json': JSON.stringify(published) });
    const out = temporaryFolder();
    const { text, exitCode } = await replayCommand(source, { out }, quietContext);
    expect([exitCode, text.includes(join(out, 'report.html'))]).toEqual([0, true]);
    const report = readFileSync(join(out, 'report.md'), 'utf8');
    for (const heading of ['## Errata of the published figures', '## What holds and what does not'])
      expect(report).toContain(heading);
  });

  it('without outcomes says what is expected', async () => {
    expect(await auditErrorOf(() => replay(temporaryFolder(), null))).toMatchObject({ code: 'data' });
    expect((await auditErrorOf(() => replay(join(temporaryFolder(), 'none'), null))).message).toContain(
      'no such folder',
    );
  });
});

describe('a run folder', () => {
  it('gives its own summary again from the records, to the byte; a record twice is refused', async () => {
    const folder = mockFolder();
    const { directory } = await audit(mockConfig, { directory: folder, builtin: mockParts() });
    const stored = readFileSync(join(directory, 'summary.json'), 'utf8');
    expect(`${json(await replay(directory, null))}\n`).toBe(stored);
    const items = readFileSync(join(directory, 'items.jsonl'), 'utf8');
    writeFileSync(join(directory, 'items.jsonl'), items + items.slice(0, items.indexOf('\n') + 1));
    const { message } = await auditErrorOf(() => replay(directory, null));
    expect(message).toMatch(/items\.jsonl: line \d+: base, harm, h0, default, repeat 0 is there twice/);
  });
});
