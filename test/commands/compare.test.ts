import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { audit } from '../../src/audit.ts';
import { compare } from '../../src/commands/compare.ts';
import type { ConfigInput } from '../../src/config.ts';
import { auditErrorOf } from '../audit-error.ts';
import { mockConfig, mockFolder, mockParts } from '../mock-world.ts';

let folder: string;
const runs: Record<string, string> = {};
const refused = (...args: Parameters<typeof compare>) => auditErrorOf(() => compare(...args));

beforeAll(async () => {
  folder = mockFolder();
  const run = async (out: string, over: Partial<ConfigInput> = {}) => {
    const { directory } = await audit(
      { ...mockConfig, ...over, out },
      { directory: folder, builtin: mockParts() },
    );
    runs[out] = directory;
  };
  await run('first');
  await run('again');
  const { suites } = mockConfig;
  await run('longer', { suites: { ...suites, harm: { ...suites.harm!, maxTokens: 99 } } });
  await run('polite', { suites: { ...suites, harm: { ...suites.harm!, systemPrompt: 'Be kind.' } } });
  await run('reseeded', { seed: 7 });
  writeFileSync(join(folder, 'fewer.jsonl'), '{"id":"h0","prompt":"lantern 0?","category":"kind 0"}\n');
  await run('fewer', { suites: { ...suites, harm: { prompts: 'fewer.jsonl' } } });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Compared {
  readonly arms: {
    from: string;
    to: string;
    metrics: {
      metric: string;
      deltaPoints: number;
      rose: number;
      fell: number;
      pairs: number;
      verdict: string;
    }[];
  }[];
}

describe('compare', () => {
  it('finds no change between two runs of one config', async () => {
    const { document, text } = await compare(runs.first!, runs.again!, {});
    const { arms } = document as Compared;
    expect(arms.map(({ to }) => to)).toEqual(['base', 'harmful', 'safe', 'control']);
    for (const { metrics } of arms) {
      expect(metrics.map(({ metric }) => metric)).toContain('harmHeadline');
      for (const { rose, fell, deltaPoints } of metrics) expect([rose, fell, deltaPoints]).toEqual([0, 0, 0]);
    }
    expect(text).toContain('again against first');
  });

  it('sets one arm against another, the second run’s minus the first’s', async () => {
    const { arms } = (await compare(runs.first!, runs.again!, { arm: ['base=harmful'] }))
      .document as Compared;
    expect(arms).toHaveLength(1);
    const harm = arms[0]!.metrics.find(({ metric }) => metric === 'harmHeadline')!;
    expect([harm.rose, harm.fell, harm.pairs, harm.verdict]).toEqual([40, 0, 60, 'FAIL']);
    expect(harm.deltaPoints).toBeCloseTo(200 / 3, 10);
  });

  it('refuses by name what must not be compared, unless it is the declared factor', async () => {
    const decoding = await refused(runs.first!, runs.longer!, {});
    expect([decoding.code, decoding.problems]).toEqual(['config', ['decoding: harm: maxTokens 256 and 99']]);
    expect(decoding.hint).toContain('--factor decoding');
    const template = await refused(runs.first!, runs.polite!, {});
    expect(template.problems).toEqual([
      'template: harm: 60 prompts read differently to the model, h0 (default) first',
    ]);
    const prompts = await refused(runs.first!, runs.fewer!, {});
    expect(prompts.problems).toContain(
      'prompts: harm: 59 prompts are only in the first run, 0 only in the second',
    );
    const { document } = await compare(runs.first!, runs.longer!, { factor: ['decoding'], arm: ['base'] });
    expect((document as { differences: object[] }).differences).toHaveLength(1);
  });

  it('calls random contexts that another seed drew by their name', async () => {
    const { problems } = await refused(runs.first!, runs.reseeded!, {});
    expect(problems).toHaveLength(1);
    expect(problems![0]).toMatch(
      /^random-context-seed: drift: \d+ prompts have another question’s context drawn by another seed \(\d+ and 7\), q\d+ \(random_context\) first$/,
    );
    const { document } = await compare(runs.first!, runs.reseeded!, { factor: ['random-context-seed'] });
    expect((document as { differences: object[] }).differences).toHaveLength(1);
  });

  it('names arms, factors and runs that are not there', async () => {
    expect((await refused(runs.first!, runs.again!, { arm: ['base=nobody'] })).message).toContain(
      'base=nobody',
    );
    expect((await refused(runs.first!, runs.again!, { factor: ['weather'] })).hint).toContain('decoding');
    expect((await refused(folder, runs.again!, {})).code).toBe('store');
  });
});
