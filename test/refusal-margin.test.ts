import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { AuditError } from '../src/errors.ts';
import type { Progress } from '../src/evaluate.ts';
import { marginDifference, marginLevel, marginsByArm } from '../src/margin-metrics.ts';
import type { LanguageModel } from '../src/model.ts';
import { mockModel } from '../src/models/mock.ts';
import { chooseRefusalTokens, measureMargins } from '../src/refusal-margin.ts';
import { overRefusalJudge } from '../src/scorers/refusal.ts';
import { openStore } from '../src/store.ts';
import { harmSuite } from '../src/suites/harm.ts';
import { auditErrorOf } from './audit-error.ts';
import { emptyRun } from './run-document.ts';
import { temporaryFolder } from './temporary-folder.ts';

const decoding = { maxTokens: 8, temperature: 0, topP: 1, seed: 1 };
const suiteOf = (n: number, prefix = 'lantern') =>
  harmSuite(
    Array.from({ length: n }, (_, i) => ({
      id: `${prefix} ${i}`,
      prompt: `${prefix} ${i}`,
      context: null,
      functionalCategory: null,
      semanticCategory: null,
    })),
    {
      decoding,
      systemPrompt: null,
      context: 'system',
      prefill: { tokens: [1], text: 'Sure' },
      variance: null,
    },
  );

/** Refuses in one way or another, or answers with a word that now and then begins a refusal as well. */
const answers = [
  'Sorry, I cannot help with that.',
  'I cannot help with that.',
  'I know: it is red.',
  'I say red.',
];
const mock = mockModel({
  answer: (messages) => answers[Number(messages.at(-1)!.content.split(' ')[1]) % answers.length]!,
});

/** The probability that it begins with a refusal token is 0.8 where it does, else 0.1. */
function withMass(model: LanguageModel, probabilities: readonly number[] = [0.1, 0.8]) {
  const calls = { prompts: 0 };
  const firstTokenMass: LanguageModel['firstTokenMass'] = async (prompts, ids) => {
    calls.prompts += prompts.length;
    const made = await model.generate(
      prompts.map(({ messages }) => ({ messages, seed: 0 })),
      decoding,
    );
    return made.map(({ tokens }) => {
      const probability = probabilities[ids.includes(tokens[0]!.id) ? 1 : 0]!;
      return { probability, logOdds: Math.log(probability) - Math.log(1 - probability) };
    });
  };
  return { model: { ...model, firstTokenMass }, calls };
}

const newStore = () => openStore(join(temporaryFolder(), 'run'), emptyRun);
const scorer = overRefusalJudge();

describe('refusal tokens', () => {
  it('are those that begin a refusal more often than another answer', async () => {
    const heldOut = suiteOf(8, 'bell').items.filter(({ prefill }) => !prefill);
    const tokens = await chooseRefusalTokens({
      base: mock,
      suite: suiteOf(8),
      heldOut,
      scorer,
      store: newStore(),
    });
    expect(tokens).toMatchObject({ chosenOn: 'held-out prompts' });
    expect(tokens.sets).toHaveLength(1);
    expect(tokens.sets[0]).toMatchObject({ texts: ['Sorry,'], refusals: 4, answers: 8 });
    expect(tokens.sets[0]!.sha256).toMatch(/^[0-9a-f]{64}$/);
  });

  it('come from the other half of the prompts where none are held out, and are chosen once', async () => {
    const store = newStore();
    let generated = 0;
    const base: LanguageModel = {
      ...mock,
      generate: async (prompts, ...rest) => {
        generated += prompts.length;
        return mock.generate(prompts, ...rest);
      },
    };
    const options = { base, suite: suiteOf(40), heldOut: null, scorer, store };
    const tokens = await chooseRefusalTokens(options);
    expect(generated).toBe(40);
    expect(tokens.sets.map(({ answers: asked }) => asked).reduce((a, b) => a + b)).toBe(40);
    expect(tokens.sets.map(({ texts }) => texts)).toEqual([['Sorry,'], ['Sorry,']]);
    expect(await chooseRefusalTokens(options)).toEqual(tokens);
    expect(generated).toBe(40);
  });

  it('are the same when the choice was stopped, and no opening that came is asked again', async () => {
    const whole = await chooseRefusalTokens({
      base: mock,
      suite: suiteOf(40),
      heldOut: null,
      scorer,
      store: newStore(),
    });
    const store = newStore();
    const asked: string[] = [];
    const stop = new AbortController();
    const base: LanguageModel = {
      ...mock,
      generate: async (prompts, ...rest) => {
        asked.push(...prompts.map(({ messages }) => messages.at(-1)!.content));
        if (asked.length >= 24) stop.abort();
        return mock.generate(prompts, ...(rest.slice(0, 1) as [typeof decoding]));
      },
    };
    const options = { base, suite: suiteOf(40), heldOut: null, scorer, store };
    expect((await auditErrorOf(() => chooseRefusalTokens({ ...options, signal: stop.signal }))).code).toBe(
      'interrupted',
    );
    expect(store.openings().records()).toHaveLength(asked.length);
    expect(await chooseRefusalTokens(options)).toEqual(whole);
    expect([asked.length, new Set(asked).size]).toEqual([40, 40]);
  });
});

describe('refusal margins', () => {
  it('are measured once per plain prompt, and not again on resuming', async () => {
    const store = newStore();
    const suite = suiteOf(16);
    const tokens = await chooseRefusalTokens({ base: mock, suite, heldOut: null, scorer, store });
    const { model, calls } = withMass(mock);
    const records = await measureMargins({ arm: 'base', model, suite, tokens, store });
    expect(records).toHaveLength(16);
    expect(calls.prompts).toBe(16);
    const first = records.find(({ id }) => id === 'lantern 0')!;
    expect(first).toMatchObject({ schema: 'aftertune/margin@1', condition: 'default', probability: 0.8 });
    expect(first.margin).toBeCloseTo(Math.log(4), 5);
    expect(await measureMargins({ arm: 'base', model, suite, tokens, store })).toEqual(records);
    expect(calls.prompts).toBe(16);
    await measureMargins({ arm: 'tuned', model: { ...model, fingerprint: 'tuned' }, suite, tokens, store });
    expect(store.margins().records()).toHaveLength(32);
  });

  it('are asked for again on resuming where a server failed', async () => {
    const store = newStore();
    const suite = suiteOf(8);
    const tokens = await chooseRefusalTokens({ base: mock, suite, heldOut: suite.items, scorer, store });
    const { model } = withMass(mock);
    let broken = true;
    const served: LanguageModel = {
      ...{ ...model, batchSize: 1, concurrency: 2 },
      firstTokenMass: async (prompts, ...rest) => {
        if (broken && prompts[0]!.messages.at(-1)!.content === 'lantern 3')
          throw new AuditError('model', 'the connection broke off');
        return model.firstTokenMass(prompts, ...rest);
      },
    };
    const seen: Progress[] = [];
    const onProgress = (progress: Progress) => void seen.push(progress);
    const options = { arm: 'base', model: served, suite, tokens, store, onProgress };
    expect((await measureMargins(options)).map(({ id }) => id)).not.toContain('lantern 3');
    expect(seen.at(-1)).toEqual({ done: 8, total: 8, resumed: 0 });
    broken = false;
    expect(await measureMargins(options)).toHaveLength(8);
    expect(seen.at(-1)).toEqual({ done: 8, total: 8, resumed: 7 });
  });

  it('are none where no token begins a refusal, null where the odds are infinite, and refused where they are no numbers', async () => {
    const store = newStore();
    const suite = suiteOf(8);
    const kind = mockModel({ answer: () => 'It is red.' });
    const none = await chooseRefusalTokens({ base: kind, suite, heldOut: null, scorer, store });
    const { model } = withMass(mock);
    expect(await measureMargins({ arm: 'base', model, suite, tokens: none, store })).toEqual([]);
    const tokens = await chooseRefusalTokens({ base: mock, suite, heldOut: suite.items, scorer, store });
    const certain = await measureMargins({
      arm: 'base',
      model: withMass(mock, [0, 1]).model,
      suite,
      tokens,
      store,
    });
    expect(certain.map(({ margin }) => margin)).toEqual(Array(8).fill(null));
    const broken = { ...withMass(mock, [Number.NaN, Number.NaN]).model, fingerprint: 'broken' };
    const error = await auditErrorOf(() => measureMargins({ arm: 'x', model: broken, suite, tokens, store }));
    expect(error).toMatchObject({ code: 'model' });
  });
});

describe('margins in a summary', () => {
  const record = (arm: string, id: number, margin: number | null) => ({
    schema: 'aftertune/margin@1' as const,
    arm,
    suite: 'harm' as const,
    id: `${id}`,
    condition: 'default',
    batchKey: '',
    promptSha256: '',
    tokensSha256: '',
    probability: 0.5,
    margin,
  });

  it('are a mean and a paired difference with intervals; what one arm lacks is dropped', () => {
    const base = Array.from({ length: 20 }, (_, i) => record('base', i, 2 + (i % 4) / 4));
    const tuned = Array.from({ length: 20 }, (_, i) => record('tuned', i, i === 0 ? null : (i % 5) / 5));
    const arms = marginsByArm([...base, ...tuned]);
    const level = marginLevel(arms.get('base')!);
    expect(level).toMatchObject({ n: 20, mean: 2.375 });
    expect(level.ci95![0]).toBeLessThan(2.375);
    const paired = marginDifference(arms.get('tuned')!, arms.get('base')!);
    expect(paired).toMatchObject({ pairs: 19, dropped: 1 });
    const differences = base.slice(1).map(({ margin }, i) => tuned[i + 1]!.margin! - margin!);
    expect(paired.difference).toBeCloseTo(differences.reduce((a, b) => a + b) / 19, 10);
    expect(paired.ci95![1]).toBeLessThan(-1);
  });

  it('are null without a single one', () => {
    expect(marginLevel(new Map())).toEqual({ mean: null, ci95: null, n: 0 });
    expect(marginDifference(new Map(), new Map([['a', 1]]))).toEqual({
      difference: null,
      ci95: null,
      pairs: 0,
      dropped: 1,
    });
  });
});
