import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type ImportOptions, importRun } from '../src/import-run.ts';
import { rewriteReport } from '../src/run-report.ts';
import { listRuns } from '../src/runs.ts';
import { readRun, verifyRun } from '../src/store.ts';
import { auditErrorOf } from './audit-error.ts';
import { fixture } from './importers/read-fixture.ts';
import { temporaryFile, temporaryFolder } from './temporary-folder.ts';

const settings = {
  baseArm: null,
  format: 'auto',
  unsafeScore: null,
  behaviours: null,
  ownPrompts: false,
  fresh: false,
};
const importFiles = (
  files: Readonly<Record<string, string>>,
  over: Partial<ImportOptions> = {},
  out = join(temporaryFolder(), 'imported'),
) =>
  importRun({
    ...settings,
    arms: Object.entries(files).map(([name, path]) => ({ name, path })),
    out,
    ...over,
  });
const pair = (name: string) => ({
  base: fixture(name.replace('*', 'base')),
  tuned: fixture(name.replace('*', 'tuned')),
});

/** HarmBench completions by behaviour: [test case, generation, label]. */
const completions = (rows: Record<string, [string, string, number?]>) =>
  temporaryFile(
    'completions.json',
    JSON.stringify(
      Object.fromEntries(
        Object.entries(rows).map(([id, [test_case, generation, label]]) => [
          id,
          [{ test_case, generation, label }],
        ]),
      ),
    ),
  );

describe('an imported run', () => {
  it('is a finished run folder, private, intact, listed, and its report can be written anew', async () => {
    const { directory, summary } = await importFiles(pair('harmbench-*.json'), {
      behaviours: fixture('harmbench-behaviors.csv'),
    });
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    expect(readdirSync(directory).sort()).toEqual([
      'done.json',
      'figures',
      'items.jsonl',
      'junit.xml',
      'report.html',
      'report.md',
      'run.json',
      'setting.json',
      'summary.json',
      'verdicts.jsonl',
    ]);
    expect(await verifyRun(directory)).toEqual([]);
    expect(readRun(directory)).toMatchObject({ finished: true, summary });
    expect(listRuns(join(directory, '..'))).toMatchObject([
      { status: 'finished', arms: ['base', 'tuned'], answers: 12, verdict: 'INCONCLUSIVE' },
    ]);
    const report = readFileSync(join(directory, 'report.html'), 'utf8');
    expect(await rewriteReport(directory, { showCompletions: false })).toEqual(summary);
    expect(readFileSync(join(directory, 'report.html'), 'utf8')).toBe(report);
  });

  it('counts as its tool did: 4 and 1 of 6, copyright apart, what could not be judged unscored', async () => {
    const { summary } = await importFiles(pair('harmbench-*.json'), {
      behaviours: fixture('harmbench-behaviors.csv'),
    });
    expect(summary.arms.tuned!.harm).toMatchObject({
      all: { unsafe: 4, scored: 5, unscored: 1 },
      headline: { unsafe: 4, scored: 4, unscored: 1, excluded: 1 },
    });
    expect(summary.arms.base!.harm!.all).toMatchObject({ unsafe: 1, scored: 6, unscored: 0 });
    expect(summary.comparisons.tuned!.harm).toMatchObject({ safeToUnsafe: 3, unsafeToSafe: 0, dropped: 1 });
  });

  it('redacts harmful answers in reports until they are asked for', async () => {
    const { directory } = await importFiles(pair('harmbench-*.json'));
    const html = () => readFileSync(join(directory, 'report.html'), 'utf8');
    expect(html()).not.toContain('Turn the brass key');
    expect(html()).toContain('I am sorry, but I cannot help');
    await rewriteReport(directory, { showCompletions: true });
    expect(html()).toContain('Turn the brass key');
  });

  it('redacts everything that nobody has judged', async () => {
    const { directory, summary } = await importFiles(pair('harmbench-*-unlabelled.json'));
    expect(readFileSync(join(directory, 'report.html'), 'utf8')).not.toContain('I am sorry, but');
    expect(summary.arms.tuned!.harm!.all).toMatchObject({ unsafe: 0, scored: 0, unscored: 6, rate: null });
    expect(summary.gate.verdict).toBe('INCONCLUSIVE');
  });

  it('questions are the base prompt; there is no wrong answer to adopt, so adoption is null and not 0', async () => {
    const { summary, directory } = await importFiles(pair('inspect-questions-*.eval'));
    expect(summary.arms.base!.drift!.base_prompt).toMatchObject({
      n: 6,
      accuracy: 5 / 6,
      adoption: null,
      adoptionGivenKnown: null,
      exactMatch: 0,
    });
    expect(summary.comparisons.tuned!.drift!.base_prompt).toMatchObject({ lost: 3, gained: 1 });
    const run = readRun(directory);
    const [items, verdicts] = [[...run.items], [...run.verdicts]];
    expect(items[0]).toMatchObject({
      condition: 'base_prompt',
      confidence: Math.exp(-0.25),
      uncertainty: null,
    });
    expect(items[5]).toMatchObject({ confidence: null, logProbabilities: null });
    expect(verdicts[0]).toMatchObject({ suite: 'drift', adopted: null, tokenF1: expect.closeTo(2 / 3, 1) });
    expect(readFileSync(join(directory, 'report.md'), 'utf8')).toContain(
      '| base prompt | base | – | – | 0 | 0 |',
    );
  });

  it('repeats of one tool are repeats here', async () => {
    const { summary } = await importFiles(pair('garak-*.report.jsonl'));
    expect(summary.arms.tuned!.harm!.all).toMatchObject({ unsafe: 8, scored: 12, repeats: 2 });
  });

  it('is the same to the byte when it is imported again, and another one is refused', async () => {
    const out = join(temporaryFolder(), 'run');
    const files = pair('jailbreakbench-*.json');
    await importFiles(files, {}, out);
    const read = () =>
      ['items.jsonl', 'verdicts.jsonl', 'summary.json', 'report.html', 'done.json', 'run.json'].map((name) =>
        readFileSync(join(out, name), 'utf8'),
      );
    const before = read();
    await importFiles(files, {}, out);
    expect(read()).toEqual(before);
    const error = await auditErrorOf(() => importFiles(files, { baseArm: 'tuned' }, out));
    expect(error.message).toContain('holds a run of another config');
    await importFiles(files, { baseArm: 'tuned', fresh: true }, out);
    expect(readRun(out).summary!.baseArm).toBe('tuned');
  });
});

describe('arms that do not fit together', () => {
  const asked: [string, string, number] = ['How?', 'No.', 0];

  it('plans the union: what an arm lacks is unscored and said', async () => {
    const { summary } = await importFiles({
      base: completions({ a: asked, b: asked, c: asked }),
      tuned: completions({ b: ['How?', 'So.', 1], d: asked }),
    });
    expect(summary.arms.base!.harm!.all).toMatchObject({ unsafe: 0, scored: 3, unscored: 1 });
    expect(summary.arms.tuned!.harm!.all).toMatchObject({ unsafe: 1, scored: 2, unscored: 2 });
    expect(summary.caveats).toContain('tuned lacks 2 of 4 items (a, c): counted as unscored.');
    expect(summary.caveats).toContain('base lacks 1 of 4 items (d): counted as unscored.');
    expect(summary.gate.verdict).toBe('INCONCLUSIVE');
  });

  it('refuses other prompts for one item, unless the attack is said to be part of the arm', async () => {
    const files = { base: completions({ a: asked }), tuned: completions({ a: ['How now?', 'No.', 0] }) };
    const error = await auditErrorOf(() => importFiles(files));
    expect(error.message).toBe('1 items were asked with different prompts');
    expect(error.problems).toEqual(['item a: base and tuned']);
    const { summary } = await importFiles(files, { ownPrompts: true });
    expect(summary.caveats.join('\n')).toContain('model and attack together');
  });

  it('refuses other judges, other suites and other true answers by name', async () => {
    const message = async (files: Record<string, string>, over = {}) =>
      (await auditErrorOf(() => importFiles(files, over))).message;
    const harm = fixture('harmbench-base.json');
    expect(await message({ base: harm, tuned: fixture('jailbreakbench-base.json') })).toContain(
      'different judges',
    );
    const questions = fixture('samples_island_choice_base.jsonl');
    expect(await message({ base: harm, tuned: questions })).toContain('recorded different things');
    expect(
      await message({ base: questions, tuned: fixture('samples_island_generate_base.jsonl') }),
    ).toContain('different judges');
    const other = temporaryFile(
      's.jsonl',
      readFileSync(questions, 'utf8').replace('"target": "0"', '"target": "1"'),
    );
    expect(await message({ base: questions, tuned: other })).toContain('not asked the same questions');
  });

  it('one arm alone proves nothing, and the summary says so', async () => {
    const { summary } = await importFiles({ only: fixture('harmbench-base.json') });
    expect(summary.gate).toMatchObject({ verdict: 'INCONCLUSIVE', exitCode: 4 });
    expect(summary.caveats.join('\n')).toContain('proves nothing either way');
  });
});

describe('what was asked for', () => {
  const harm = fixture('harmbench-base.json');

  it('refuses arms, formats and options that do not exist or mean nothing', async () => {
    const message = async (path: string, over: Partial<ImportOptions>) =>
      (await auditErrorOf(() => importFiles({ base: path }, over))).message;
    expect(await message(harm, { baseArm: 'other' })).toBe('--base-arm other: the arms are base');
    expect(await message(harm, { format: 'excel' })).toContain('--format excel: there is auto, inspect');
    expect(await message(harm, { unsafeScore: 'I' })).toContain('--unsafe-score means nothing for HarmBench');
    expect(await message(harm, { unsafeScore: 'bad' })).toContain('--unsafe-score bad: expected C, I');
    expect(await message(`${harm}#scripted`, {})).toContain('#scripted means nothing for HarmBench');
    expect(
      await message(fixture('garak-base.report.jsonl'), { behaviours: fixture('harmbench-behaviors.csv') }),
    ).toContain('--behaviors means nothing for garak');
    expect(await message('/nowhere.json', {})).toBe('/nowhere.json: no such file');
    const twice = await auditErrorOf(() =>
      importRun({ ...settings, out: temporaryFolder(), arms: [1, 2].map(() => ({ name: 'a', path: harm })) }),
    );
    expect(twice.message).toBe('two arms are called a');
  });

  it('says what it knows where no tool is recognised, and leaves no folder behind', async () => {
    const out = join(temporaryFolder(), 'run');
    const error = await auditErrorOf(() =>
      importFiles({ base: temporaryFile('x.json', '{"a": 1}') }, {}, out),
    );
    expect(error.message).toContain('not a record of a tool that is known here');
    expect(error.problems).toHaveLength(6);
    expect(() => statSync(out)).toThrow();
  });

  it('a file whose name holds a # is meant as it stands', async () => {
    const path = join(temporaryFolder(), 'a#b.json');
    writeFileSync(path, readFileSync(harm));
    expect((await importFiles({ base: path })).summary.arms.base!.harm!.all.scored).toBe(6);
  });
});
