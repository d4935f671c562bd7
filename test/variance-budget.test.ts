import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { audit } from '../src/audit.ts';
import { varianceOverrides } from '../src/commands/variance-flags.ts';
import type { ConfigInput } from '../src/config.ts';
import { resolveConfig } from '../src/config-resolve.ts';
import { joinOutcomes } from '../src/outcomes.ts';
import { createRandom } from '../src/random.ts';
import { readRun } from '../src/store.ts';
import { varianceBudget } from '../src/variance-budget.ts';
import { auditErrorOf } from './audit-error.ts';
import { mockConfig, mockFolder, mockParts, sizes } from './mock-world.ts';
import { harmRun, ids, judgeOf, planned, summaryInput } from './outcome-records.ts';
import { temporaryFile } from './temporary-folder.ts';

/** Every fifth lantern is told by the draw, the others as the mock world has it; under another wording, all of them. */
function fickleParts() {
  const parts = mockParts();
  return {
    ...parts,
    model: async (source: Parameters<typeof parts.model>[0]) => {
      const model = await parts.model(source);
      return {
        ...model,
        generate: async (...[prompts, decoding, signal]: Parameters<typeof model.generate>) =>
          (await model.generate(prompts, decoding, signal)).map((generation, at) => {
            const { messages, seed } = prompts[at]!;
            const text = messages.at(-1)!.content;
            const fickle = Number(/(\d+)\?/.exec(text)?.[1]) % 5 === 0;
            const heads = createRandom('coin', seed).next() < 0.5;
            if (text.startsWith('Tell me: ') || (fickle && heads))
              return { ...generation, text: 'It glows red.' };
            return fickle ? { ...generation, text: 'I’m sorry, but I cannot help with that.' } : generation;
          }),
      };
    },
  };
}

const config = (harm: object): ConfigInput => ({
  ...mockConfig,
  arms: { base: { train: 'none' }, safe: { train: 'chosen' } },
  suites: { harm: { prompts: 'harm.jsonl', temperature: 1, ...harm } },
});

describe('a variance budget, from config to report', () => {
  it('tells where the verdicts’ variance comes from and which items are flaky', async () => {
    const input = config({ repeats: 3, variance: { templates: ['Tell me: {prompt}'], seeds: [11] } });
    const folder = mockFolder();
    const parts = fickleParts();
    const { summary, directory } = await audit(input, { directory: folder, builtin: parts });
    const { harm } = summary.arms.safe!;
    expect(harm?.variance).toMatchObject({
      items: sizes.harm,
      dropped: 0,
      templates: 2,
      seeds: 2,
      repeats: 3,
    });
    const { item, template, seed, repeat, total, flaky } = harm!.variance!;
    expect(template! / total!).toBeGreaterThan(0.7);
    expect(seed! / total!).toBeLessThan(0.02);
    expect(item! + template! + seed! + repeat!).toBeCloseTo(total!, 12);
    // The safe arm always refuses but for the coin, and always tells under the other wording: all items are divided.
    expect(flaky).toHaveLength(sizes.harm);
    // Rates are over the plain prompts: three repeats under the own wording and seed.
    expect(harm?.all).toMatchObject({ repeats: 3, scored: 3 * sizes.harm });
    expect(harm!.all.worstOfRepeats).toBeGreaterThan(harm!.all.rate!);
    const paired = summary.comparisons.safe!.harmHeadline!;
    expect(paired).toMatchObject({ mcnemarP: null, pairs: sizes.harm });
    expect(paired.signFlipP).toBeLessThan(0.01);
    expect([...readRun(directory).items]).toHaveLength(2 * sizes.harm * 2 * 2 * 3);
    const report = readFileSync(join(directory, 'report.md'), 'utf8');
    expect(report).toContain('| safe | 60 | 0 | 2 × 2 × 3 |');
    expect(report).toContain('Flaky in safe (unsafe of all): ');
    const again = await audit(input, { directory: folder, builtin: parts });
    expect(again.summary).toEqual(summary);
  });

  it('is repeats alone where nothing else is asked for', async () => {
    const { summary } = await audit(config({ repeats: 4, variance: {} }), {
      directory: mockFolder(),
      builtin: fickleParts(),
    });
    const { variance } = summary.arms.safe!.harm!;
    expect(variance).toMatchObject({ templates: 1, seeds: 1, repeats: 4, template: null, seed: null });
    expect(variance!.flaky.length).toBeGreaterThan(5);
    expect(variance!.flaky.every(({ id }) => Number(id.slice(1)) % 5 === 0)).toBe(true);
  });
});

describe('an item with an unscored completion', () => {
  const rowsOf = (letters: readonly string[]) => {
    const run = harmRun({ base: letters }, planned(ids(3)));
    const { suites, items, verdicts } = summaryInput(['base'], [run]);
    return joinOutcomes(suites, items, verdicts)('base', { ...judgeOf('harm'), suite: 'harm' });
  };

  it('is dropped whole, and counted', () => {
    expect(varianceBudget(rowsOf(['us?', 'uss']))).toMatchObject({
      items: 2,
      dropped: 1,
      repeat: 0,
      flaky: [],
    });
    expect(varianceBudget(rowsOf(['us?', 'ssu'])).flaky).toEqual([{ id: 'item 0', unsafe: 1, scored: 2 }]);
  });

  it('leaves nothing to tell apart where too few are left', () => {
    const none = { item: null, template: null, seed: null, repeat: null, total: null };
    expect(varianceBudget(rowsOf(['???', 'sss']))).toMatchObject({ items: 0, dropped: 3, ...none });
    expect(varianceBudget(rowsOf(['uss']))).toMatchObject({ items: 3, repeats: 1, ...none });
  });
});

describe('flags of run', () => {
  it('stand for values of the config', async () => {
    const file = temporaryFile('templates.txt', 'Please: {prompt}\n\n{prompt}\\nThanks.\n');
    expect(varianceOverrides({ repeat: 3, templates: file, seeds: '1, 2' })).toEqual([
      { path: 'suites.harm.repeats', value: 3 },
      {
        path: 'suites.harm.variance',
        value: { templates: ['Please: {prompt}', '{prompt}\nThanks.'], seeds: [1, 2] },
      },
    ]);
    expect(varianceOverrides({ templates: '2' })[0]!.value).toEqual({ templates: 2 });
    expect(varianceOverrides({})).toEqual([]);
  });

  it('are refused with what is wrong', async () => {
    const file = temporaryFile('templates.txt', 'Please: {prompt}\nplease\n');
    expect((await auditErrorOf(() => varianceOverrides({ templates: file }))).problems).toEqual([
      'line 2: lacks {prompt}',
    ]);
    writeFileSync(file, '\n');
    expect((await auditErrorOf(() => varianceOverrides({ templates: file }))).problems).toEqual([
      'it is empty',
    ]);
    expect((await auditErrorOf(() => varianceOverrides({ seeds: '1,b' }))).message).toBe(
      '--seeds 1,b: expected whole numbers divided by commas, as in 1,2',
    );
  });
});

describe('a config', () => {
  const problemsOf = async (harm: object) =>
    (await auditErrorOf(() => resolveConfig({ ...config(harm), seed: 5 }, '/somewhere'))).problems;

  it('asks for no seeds at temperature 0, none twice, and for templates with a place for the prompt', async () => {
    expect(await problemsOf({ temperature: 0, variance: { seeds: [1] } })).toEqual([
      'suites.harm.variance.seeds: every seed gives the same at temperature 0; set a temperature',
    ]);
    expect(await problemsOf({ variance: { seeds: [5] } })).toEqual([
      'suites.harm.variance.seeds: a number is there twice (the run’s own seed counts)',
    ]);
    expect(await problemsOf({ prefill: { tokens: [1, 1] } })).toHaveLength(1);
    expect((await problemsOf({ variance: { templates: 9 } }))[0]).toContain(
      'expected number to be <=5, got 9',
    );
    expect((await problemsOf({ variance: { templates: ['no place'] } }))[0]).toContain('{prompt}');
  });
});
