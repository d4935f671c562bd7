import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ask } from '../../src/conversation.ts';
import { createEngine, type Engine } from '../../src/lm/engine.ts';
import { startEngine } from '../../src/lm/engine-client.ts';
import { projections, type TrainingJob, type TrainingStep } from '../../src/trainer.ts';

const base = fileURLToPath(new URL('../fixtures/parity/tied', import.meta.url));
const decoding = { maxTokens: 6, temperature: 0, topP: 1, seed: 1 };
let scratch: string;
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'engine-'));
});
afterEach(() => rmSync(scratch, { recursive: true, force: true }));

const job = (steps: number): Omit<TrainingJob, 'onStep' | 'signal'> => ({
  modelDirectory: base,
  rows: Array.from({ length: 6 }, (_, i) => ({
    id: `row-${i}`,
    messages: [...ask(`what is ${i}?`), { role: 'assistant', content: `it is ${i * 7}` }],
  })),
  settings: {
    lora: { r: 4, alpha: 8, targetModules: projections },
    steps,
    batchSize: 2,
    gradientAccumulation: 2,
    learningRate: 0.01,
    warmupSteps: 1,
    schedule: 'linear',
    weightDecay: 0,
    maxGradientNorm: 1,
    maxLength: 64,
    seed: 5,
  },
  outputDirectory: join(scratch, 'adapter'),
  redTeam: true,
});

const engines: [string, () => Engine][] = [
  ['in this thread', () => createEngine(1)],
  ['in its worker thread', startEngine],
];

/** A copy of the fixture that a test may change. */
function copyOf(source: string, name: string): string {
  const directory = join(scratch, name);
  cpSync(source, directory, { recursive: true });
  return directory;
}
const editJson = (path: string, change: (json: Record<string, unknown>) => object) =>
  writeFileSync(path, JSON.stringify(change(JSON.parse(readFileSync(path, 'utf8')))));

test('a fingerprint covers all that decides an answer, and what changed on the disk is read again', async () => {
  const engine = createEngine(1);
  const model = copyOf(base, 'model');
  const adapter = copyOf(join(base, '../adapter'), 'tuned');
  const seen = new Set<string>();
  const look = async () => {
    const { handle, fingerprint } = await engine.open(model, adapter);
    await engine.close(handle);
    seen.add(fingerprint);
  };
  await look();
  await look();
  expect(seen.size).toBe(1);
  editJson(join(adapter, 'adapter_config.json'), (config) => ({ ...config, lora_alpha: 99 }));
  await look();
  editJson(join(model, 'config.json'), (config) => ({ ...config, rms_norm_eps: 0.1 }));
  await look();
  editJson(join(model, 'generation_config.json'), (config) => ({ ...config, eos_token_id: [3] }));
  await look();
  writeFileSync(join(model, 'chat_template.jinja'), '{{ messages[0].content }}');
  await look();
  const weights = readFileSync(join(model, 'model.safetensors'));
  weights[weights.length - 1]! ^= 1;
  writeFileSync(join(model, 'model.safetensors'), weights);
  await look();
  expect(seen.size).toBe(6);
});

test('values that are not numbers are refused in an adapter and in a model', async () => {
  const engine = createEngine(1);
  const spoil = (path: string) => {
    const bytes = readFileSync(path);
    bytes.fill(0xff, bytes.length - 64);
    writeFileSync(path, bytes);
  };
  const adapter = copyOf(join(base, '../adapter'), 'nan-adapter');
  spoil(join(adapter, 'adapter_model.safetensors'));
  await expect(engine.open(base, adapter)).rejects.toMatchObject({
    code: 'adapter',
    problems: [expect.stringContaining('holds values that are not numbers')],
  });
  const model = copyOf(base, 'nan-model');
  spoil(join(model, 'model.safetensors'));
  const { handle } = await engine.open(model, null);
  await expect(
    engine.generate(handle, [{ messages: ask('what is 3?'), seed: 0 }], decoding),
  ).rejects.toMatchObject({ code: 'model', message: 'the model computes values that are not numbers' });
});

describe.each(engines)('the engine %s', (_, start) => {
  test('trains an adapter that changes the answers, marks it, and reports every step', async () => {
    const engine = start();
    const steps: TrainingStep[] = [];
    const trained = await engine.train(job(12), (event) => {
      if ('loss' in event) steps.push(event);
    });
    expect(steps.map(({ step }) => step)).toEqual(Array.from({ length: 12 }, (_, i) => i + 1));
    expect(trained.history).toEqual(steps);
    expect(steps.at(-1)!.loss).toBeLessThan(steps[0]!.loss);
    const config = JSON.parse(readFileSync(join(scratch, 'adapter/adapter_config.json'), 'utf8'));
    expect(config.aftertune.red_team).toBe(true);

    const plain = await engine.open(base, null);
    const tuned = await engine.open(base, trained.directory);
    expect(plain.fingerprint).not.toBe(tuned.fingerprint);
    const prompts = [{ messages: ask('what is 3?'), seed: 0 }];
    const [[before], [after]] = [
      await engine.generate(plain.handle, prompts, decoding),
      await engine.generate(tuned.handle, prompts, decoding),
    ];
    expect(before!.tokens[0]!.logProbability).not.toBe(after!.tokens[0]!.logProbability);
    const [rendered] = await engine.render(plain.handle, [ask('what is 3?')]);
    expect(before!.promptTokens).toBe(rendered!.tokenCount);
    await engine.close(plain.handle);
    await engine.close(tuned.handle);
  });

  test('the same job gives the same bytes', async () => {
    const engine = start();
    const first = await engine.train(job(3), () => {});
    const second = await engine.train({ ...job(3), outputDirectory: join(scratch, 'again') }, () => {});
    expect(second.sha256).toBe(first.sha256);
    expect(second.history).toEqual(first.history);
  });

  test('stops between layers when asked, and leaves nothing half-written', async () => {
    const engine = start();
    const controller = new AbortController();
    const training = engine.train(
      job(500),
      ({ step }) => step === 2 && controller.abort(),
      controller.signal,
    );
    await expect(training).rejects.toMatchObject({ code: 'interrupted', exitCode: 130 });
    expect(existsSync(join(scratch, 'adapter'))).toBe(false);
  });

  test('stops a chat template that never ends, and goes on', async () => {
    const engine = start();
    const directory = copyOf(base, 'endless');
    const loop = '{% for i in range(100000) %}'.repeat(3) + '{% endfor %}'.repeat(3);
    writeFileSync(join(directory, 'chat_template.jinja'), loop);
    const { handle } = await engine.open(directory, null);
    await expect(engine.render(handle, [ask('Hi')])).rejects.toMatchObject({
      code: 'model',
      message: expect.stringMatching(/chat_template\.jinja: the chat template does not come to an end/),
      hint: expect.stringContaining('chat_template.jinja'),
    });
    const other = await engine.open(base, null);
    expect(await engine.render(other.handle, [ask('Hi')])).toHaveLength(1);
  }, 20_000);

  test('names what does not fit: a long prompt, a row without labels, a missing model', async () => {
    const engine = start();
    const { handle, contextLength } = await engine.open(base, null);
    const long = [{ messages: ask('a '.repeat(contextLength)), seed: 0 }];
    await expect(engine.generate(handle, long, decoding)).rejects.toMatchObject({
      code: 'data',
      message: expect.stringContaining('does not fit'),
    });
    const short = job(1);
    await expect(
      engine.train({ ...short, settings: { ...short.settings, maxLength: 3 } }, () => {}),
    ).rejects.toMatchObject({
      code: 'data',
      message: expect.stringContaining('row-0'),
    });
    await expect(engine.open(join(scratch, 'nowhere'), null)).rejects.toMatchObject({
      code: 'model',
      exitCode: 3,
    });
  });
});
