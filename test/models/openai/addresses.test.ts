import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import type { ServedSettings } from '../../../src/models/openai/served.ts';
import { auditErrorOf } from '../../audit-error.ts';
import { closedAfterTest, decoding, openToy, prompt } from './open-toy.ts';
import { type ToyOptions, toyServer } from './toy-server.ts';

/** What is scored by echo, several addresses of one model, and adapters that change on disk. */

describe('given answers through completions that echo their prompt', () => {
  test('are scored as the chat would have said them', async () => {
    const { models, server } = await openToy({ echoes: true });
    expect(models.record().capabilities).toMatchObject({ likelihood: true, scoring: 'echo of tokens' });
    const model = await models.model(null);
    const [said] = await model.generate([prompt('hello')], decoding);
    const [own, other] = await model.loglikelihood!(prompt('hello'), [said!.text, 'nothing of the kind']);
    expect(own!.tokens.map(({ text }) => text)).toEqual(['toy', ' heard', ' hello', ' and', ' more']);
    const own5 = said!.tokens.filter(({ endOfTurn }) => !endOfTurn);
    expect(own!.logProbability).toBeCloseTo(
      own5.reduce((sum, { logProbability }) => sum + logProbability, 0),
      9,
    );
    expect(own!.greedy).toBe(true);
    expect(other!.logProbability).toBeLessThan(own!.logProbability);
    expect(server.asked.at(-1)!.body).toMatchObject({ echo: true, logprobs: 1, max_tokens: 1 });
  });

  test('are not where the numbers stand at other tokens than the chat has them', async () => {
    const { models } = await openToy({ echoes: 'shifted' });
    expect(models.record().capabilities.likelihood).toBe(false);
    const model = await models.model(null);
    expect([model.loglikelihood, model.lacks?.likelihood]).toEqual([
      undefined,
      expect.stringContaining('model.weights'),
    ]);
  });
});

describe('several addresses', () => {
  const pair = async (
    first: Partial<ToyOptions>,
    second: Partial<ToyOptions>,
    own: Partial<ServedSettings>,
  ) => {
    const answer: ToyOptions['answer'] = (model) => `${model} speaks`;
    const made = [];
    for (const options of [first, second]) made.push(await toyServer({ make: 'vllm', answer, ...options }));
    closedAfterTest(...made);
    const endpoint = made.map(({ endpoint: address }) => ({ address, weight: 1 }));
    return { made, open: () => openToy({}, { endpoint, ...own }) };
  };

  test.each([
    [true, { alias: () => 'other' }, 'another model'],
    [false, { root: '/models/other' }, 'different models'],
  ])('one that serves another model is refused (log-probabilities: %s)', async (logprobs, second, words) => {
    const two = await pair({}, second, { logprobs });
    const error = await auditErrorOf(async () => (await two.open()).models.model(null));
    expect(error).toMatchObject({ code: 'config', message: expect.stringContaining(words) });
  });

  test('what one of them loaded is unloaded where another does not load it', async () => {
    const fault: ToyOptions['fault'] = ({ path }) =>
      path.endsWith('/load_lora_adapter') ? { status: 500 } : null;
    const two = await pair({}, { fault }, {});
    const { models } = await two.open();
    expect(await auditErrorOf(() => models.model('/here/lora'))).toMatchObject({ code: 'adapter' });
    const [first] = two.made;
    expect([...first!.loaded.values()]).toEqual(['/here/lora']);
    await models.close();
    expect(first!.loaded.size).toBe(0);
  });

  test('one that went away is looked after, and asked again once it is well and has its models', async () => {
    let [down, well] = [false, false];
    const fault = () => (down ? ('reset' as const) : null);
    const two = await pair({}, { fault, ill: () => down && !well, adapters: ['safe'] }, { base: 'toy' });
    const { models } = await two.open();
    const model = await models.model(null);
    const [, second] = two.made;
    const askMany = () =>
      model.generate(
        Array.from({ length: 8 }, (_, at) => prompt(`${at}`)),
        decoding,
      );
    const askedOf = async (work: () => Promise<unknown>) => {
      const before = second!.asked.length;
      await work();
      return second!.asked.length - before;
    };
    // How many of the eight depends on who answers first.
    expect(await askedOf(askMany)).toBeGreaterThan(0);
    down = true;
    expect(await askedOf(askMany)).toBeGreaterThan(0);
    expect(await askedOf(askMany)).toBe(0);
    const looks = () => second!.checks.filter((path) => path === '/health').length;
    await vi.waitFor(() => expect(looks()).toBeGreaterThan(2), 30_000);
    expect(await askedOf(askMany)).toBe(0);
    [down, well] = [false, true];
    await vi.waitFor(async () => expect(await askedOf(askMany)).toBeGreaterThan(0), 30_000);
    await models.close();
  });
});

test('an adapter whose weights have changed is loaded anew, under another name', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'adapter-'));
  const write = (text: string) => writeFileSync(join(folder, 'adapter_model.safetensors'), text);
  write('first');
  const { models, server } = await openToy();
  const name = async () => {
    await models.model(folder);
    return [...server.loaded.keys()].at(-1)!;
  };
  const first = await name();
  expect(await name()).toBe(first);
  write('second');
  const second = await name();
  expect([second === first, server.loaded.size]).toEqual([false, 2]);
  await models.close();
  expect(server.loaded.size).toBe(0);
  rmSync(folder, { recursive: true });
});
