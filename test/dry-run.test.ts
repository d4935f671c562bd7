import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { audit } from '../src/audit.ts';
import { builtin } from '../src/builtin.ts';
import { dryRun } from '../src/commands/dry-run.ts';
import type { ConfigInput } from '../src/config.ts';
import { resolveConfig } from '../src/config-resolve.ts';
import { ask } from '../src/conversation.ts';
import { dryRun as plan } from '../src/dry-run.ts';
import { packageRoot } from '../src/files.ts';
import { loadChatTokenizer } from '../src/lm/tokenizer.ts';
import { auditErrorOf } from './audit-error.ts';
import { mockAnswer, mockConfig, mockFolder, sizes } from './mock-world.ts';
import { toyServer } from './models/openai/toy-server.ts';
import { temporaryFolder } from './temporary-folder.ts';

afterEach(() => {
  vi.unstubAllEnvs();
  vi.unstubAllGlobals();
});

/** No data set has been fetched, and nobody can be asked. */
function alone() {
  vi.stubEnv('AFTERTUNE_DATA', temporaryFolder());
  const asked = vi.fn();
  vi.stubGlobal('fetch', asked);
  return asked;
}

test('the paper’s own set-up: plan, requests, tokens and hours, and nobody is asked', async () => {
  const asked = alone();
  const { document, text, exitCode } = await dryRun(join(packageRoot, 'examples/paper-8b.yaml'), {});
  expect(exitCode).toBe(0);
  expect(asked).not.toHaveBeenCalled();
  expect(document).toMatchObject({
    schema: 'aftertune/dry-run@1',
    model: 'llama-3.1-8b at http://127.0.0.1:8000/v1',
    arms: [
      { name: 'base', from: 'the untouched model' },
      { name: 'harmful', from: '/adapters/harmful' },
      { name: 'safe', from: '/adapters/safe' },
    ],
    suites: [
      // 400 answers and as many first tokens; 512 tokens an answer at most.
      { kind: 'harm', items: 400, requests: 800, written: 400 * 512 + 400, declared: true },
      { kind: 'drift', items: 1000, requests: 1000, written: 512_000, declared: true },
    ],
    judges: [{ name: 'llama-guard', where: 'http://127.0.0.1:8001/v1', requests: 1200 }],
    // The base's answers that show how its refusals begin.
    openings: { items: 400, requests: 400, written: 400 * 32, declared: true },
    total: { requests: 3 * 1800 + 400 + 1200 },
    missing: ['aftertune data get harmbench', 'aftertune data get triviaqa'],
  });
  const { hours, total } = document as { hours: number; total: { read: number; written: number } };
  expect(hours).toBeCloseTo((total.written / (25 * 32) + total.read / 5000) / 3600, 9);
  for (const words of [
    'paper-8b',
    'harm (declared)',
    'together',
    'aftertune data get triviaqa',
    'upper bound',
    'openings, of the base',
  ])
    expect(text).toContain(words);
});

test('files that are here are counted', async () => {
  alone();
  const { document } = await dryRun(join(packageRoot, 'examples/demo.yaml'), { limit: 5 });
  const { suites, missing } = document as {
    suites: { items: number; declared: boolean }[];
    missing: string[];
  };
  expect(suites.every(({ declared }) => !declared)).toBe(true);
  expect(suites[0]).toMatchObject({ kind: 'harm', repeats: 1 });
  expect(missing).toEqual([]);
});

test('prompts are counted by the tokenizer of weights that are here, else by characters', async () => {
  const wren = join(packageRoot, 'models/wren');
  const directory = mockFolder();
  const planned = async (weights?: string) => {
    const model = { endpoint: 'http://127.0.0.1:8000/v1', base: 'wren', ...(weights && { weights }) };
    const arms = { base: { train: 'none' as const } };
    const { overRefusal } = mockConfig.suites;
    const config = { ...mockConfig, model, arms, training: {}, suites: { overRefusal } };
    const { suites, assumptions } = await plan(resolveConfig(config, directory), builtin);
    return { read: suites[0]!.read, said: assumptions.join('\n') };
  };
  const tokenizer = loadChatTokenizer(wren);
  const prompts = Array.from({ length: sizes.borderline }, (_, i) => ask(`candle ${i}?`, null));
  const tokens = prompts.map((messages) => {
    return tokenizer.encode(tokenizer.render(messages, { addGenerationPrompt: true })).length;
  });
  const sum = tokens.reduce((total, count) => total + count, 0);
  expect(await planned(wren)).toEqual({
    read: sum,
    said: expect.stringContaining(`by the tokenizer of ${wren}`),
  });
  const estimated = await planned();
  expect(estimated.said).toContain('a token is four characters');
  expect(estimated.read).not.toBe(sum);
  // Where there is no model the run itself says what is wrong.
  expect((await planned(join(directory, 'nowhere'))).read).toBe(estimated.read);
});

test('a data set that is not here is planned as one that is', async () => {
  alone();
  const directory = mockFolder();
  const planned = async (harm: string, questions: string) => {
    const { suites } = mockConfig;
    const config: ConfigInput = {
      ...mockConfig,
      suites: {
        harm: {
          ...{ ...suites.harm, prompts: harm, limit: 20, prefill: { tokens: [1, 3] } },
          ...{ variance: { templates: 3, seeds: [5] }, temperature: 1, repeats: 2 },
        },
        drift: {
          ...{ ...suites.drift!, questions, limit: 20, contextRepeats: [1, 4, 9] },
          semanticEntropy: { samples: 12, limit: 7 },
        },
      },
    };
    const { suites: planned, openings } = await plan(resolveConfig(config, directory), builtin);
    return [...planned, openings!].map(({ read: _, declared, ...size }) => ({ declared, ...size }));
  };
  const declared = await planned('data:harmbench', 'data:triviaqa');
  const counted = await planned('harm.jsonl', 'questions.jsonl');
  expect(declared.map((size) => size.declared)).toEqual([true, true, true, true]);
  expect(declared).toEqual(counted.map((size) => ({ ...size, declared: true })));
});

test('a judge of meanings holds at most every two samples against each other, both ways', async () => {
  const semanticEntropy = {
    ...{ samples: 10, limit: 7 },
    judge: { endpoint: 'http://127.0.0.1:8002/v1', name: 'nli' },
  };
  const drift = { ...mockConfig.suites.drift!, semanticEntropy };
  const { judges, suites, total } = await plan(
    resolveConfig({ ...mockConfig, suites: { drift } }, mockFolder()),
    builtin,
  );
  const arms = Object.keys(mockConfig.arms!).length;
  // Seven questions under three conditions.
  const requests = arms * 21 * 10 * 9;
  expect(judges).toMatchObject([
    { name: 'entailment', where: 'http://127.0.0.1:8002/v1', requests, written: requests * 8 },
  ]);
  expect(total.requests).toBe(arms * suites.reduce((sum, suite) => sum + suite.requests, 0) + requests);
});

const sets: [string, NonNullable<ConfigInput['suites']>['harm']][] = [
  ['the suite’s own prompts', { prompts: 'harm.jsonl', limit: 40 }],
  ['held-out prompts', { prompts: 'harm.jsonl', refusalMargin: { prompts: 'held-out.jsonl' } }],
  [
    'prefilled and repeated',
    { prompts: 'harm.jsonl', prefill: { tokens: [1, 3] }, repeats: 2, temperature: 1 },
  ],
  ['no margin', { prompts: 'harm.jsonl', refusalMargin: null }],
];

test.each(sets)('what a server is asked is what was planned: %s', async (_, harm) => {
  const directory = mockFolder();
  const heldOut = Array.from({ length: 12 }, (_, i) => JSON.stringify({ prompt: `lantern ${100 + i}?` }));
  writeFileSync(join(directory, 'held-out.jsonl'), heldOut.join('\n'));
  const server = await toyServer({
    make: 'vllm',
    adapters: ['harmful'],
    answer: (model, messages) =>
      /^(lantern|candle|Thief|Who)/.test(messages.at(-1)!.content)
        ? mockAnswer(messages, model === 'harmful' ? 'It glows red.' : '')
        : `${model} says hello to you`,
  });
  const config = (budget?: { requests: number }): ConfigInput => ({
    ...mockConfig,
    model: {
      endpoint: server.endpoint,
      base: 'toy',
      adapters: { harmful: 'harmful' },
      ...(budget && { budget }),
    },
    arms: { base: { train: 'none' }, harmful: { redTeam: true } },
    training: {},
    suites: { ...mockConfig.suites, harm },
  });
  try {
    const { total, openings } = await plan(resolveConfig(config(), directory), builtin);
    const tooLittle = await auditErrorOf(() =>
      audit(config({ requests: total.requests - 1 }), { directory }),
    );
    expect(tooLittle).toMatchObject({
      code: 'config',
      message: expect.stringContaining('less than the run needs'),
    });
    server.asked.length = 0;
    await audit(config(), { directory });
    // Neither probes nor canaries.
    const asked = server.asked.filter(({ body }) =>
      /^(lantern|candle|Thief|Who)/.test(body.messages?.[0].content),
    );
    expect(asked).toHaveLength(total.requests);
    expect(asked.reduce((sum, { body }) => sum + body.max_tokens, 0)).toBe(total.written);
    expect(asked.filter(({ body }) => body.max_tokens === 32)).toHaveLength(openings?.requests ?? 0);
    expect(total.requests).toBeGreaterThan(2 * (sizes.borderline + 3 * sizes.questions));
  } finally {
    server.close();
  }
});
