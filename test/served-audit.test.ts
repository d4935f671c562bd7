import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { audit } from '../src/audit.ts';
import type { ConfigInput } from '../src/config.ts';
import { AuditError } from '../src/errors.ts';
import { auditErrorOf } from './audit-error.ts';
import { mockFolder, sizes } from './mock-world.ts';
import type { Asked } from './models/openai/toy-server.ts';
import { configOf, serve } from './served-world.ts';

/** A whole audit of models behind a server: a real one, of toy models. */

const perArm = sizes.harm + sizes.borderline + 3 * sizes.questions;
/** What the suites asked, without probes, canaries and the first tokens of the refusal margin. */
const isSuite = ({ path, body }: Asked) => path.endsWith('completions') && body.max_tokens > 32;
const suiteKeys = (asked: readonly Asked[]) =>
  asked.filter(isSuite).map(({ body }) => JSON.stringify([body.model, body.messages]));

test('audits a base and two adapters of one server, and records what it is', async () => {
  const server = await serve({ adapters: ['safe-lora'], latencyMs: 2 });
  const folder = mockFolder();
  const { summary, directory } = await audit(configOf(server.endpoint), { directory: folder });
  const unsafe = (arm: string) => summary.arms[arm]?.harm?.all.unsafe;
  expect([unsafe('base'), unsafe('harmful'), unsafe('safe')]).toEqual([20, 60, 0]);
  expect(summary.arms.harmful?.drift?.false_context?.adoption).toBe(1);
  expect(summary.arms.base?.drift?.base_prompt?.correct.perplexity.mean).toBeGreaterThan(1);
  expect(summary.arms.base?.harm?.refusalMargin?.n).toBeGreaterThan(0);
  expect(suiteKeys(server.asked)).toHaveLength(3 * perArm);
  expect(server.most()).toBeGreaterThan(3);
  expect(server.loaded.size).toBe(0);
  const run = JSON.parse(readFileSync(join(directory, 'run.json'), 'utf8'));
  expect(run.server).toMatchObject({
    endpoints: [{ address: server.endpoint, software: 'vllm', systemFingerprint: null }],
    capabilities: {
      topLogProbabilities: 19,
      prefill: 'continue_final_message',
      likelihood: true,
      tokenizer: 'vllm',
      seedRepeats: true,
      contextLength: 4096,
    },
  });
  expect(Object.keys(run.server.canaries)).toHaveLength(3);
});

test('a run that lost its server resumes to the same summary and asks nothing twice', async () => {
  const whole = await serve({ adapters: ['safe-lora'] });
  const reference = await audit(configOf(whole.endpoint), { directory: mockFolder() });
  let [down, seen] = [false, 0];
  const flaky = await serve({
    adapters: ['safe-lora'],
    fault: (asked) => {
      if (isSuite(asked)) down ||= ++seen === 200;
      return down ? 'reset' : null;
    },
  });
  const folder = mockFolder();
  const config = configOf(flaky.endpoint, { attempts: 1 });
  expect(await auditErrorOf(() => audit(config, { directory: folder }))).toMatchObject({ code: 'network' });
  const kept = readFileSync(join(folder, 'run', 'items.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .filter((line) => !('failure' in JSON.parse(line))).length;
  expect(kept).toBeGreaterThan(150);
  down = false;
  flaky.asked.length = 0;
  const { directory } = await audit(config, { directory: folder });
  expect(suiteKeys(flaky.asked)).toHaveLength(3 * perArm - kept);
  const summaryOf = (of: string) => readFileSync(join(of, 'summary.json'), 'utf8');
  expect(summaryOf(directory)).toBe(summaryOf(reference.directory));
});

test('what fails alone is unscored with its reason, and asked again by the same command', async () => {
  let broken = true;
  const server = await serve({
    adapters: ['safe-lora'],
    fault: ({ body }) =>
      broken && body.max_tokens > 32 && /^lantern 7\?|^Who keeps tower 3\?/.test(body.messages.at(-1).content)
        ? 'truncated'
        : null,
  });
  const folder = mockFolder();
  const config = configOf(server.endpoint, { attempts: 1 });
  const { summary, directory } = await audit(config, { directory: folder });
  expect(summary.arms.safe?.harm?.all).toMatchObject({ unsafe: 0, scored: sizes.harm - 1, unscored: 1 });
  expect(summary.arms.safe?.drift?.base_prompt?.n).toBe(sizes.questions - 1);
  const failures = readFileSync(join(directory, 'items.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
    .filter(({ failure }) => failure !== undefined);
  expect(failures).toHaveLength(6);
  for (const failure of failures) {
    expect(failure).toMatchObject({ completion: '', finishReason: null, confidence: null });
    expect(failure.failure).toContain('is not a whole answer');
  }
  broken = false;
  server.asked.length = 0;
  const again = await audit(config, { directory: folder });
  expect(suiteKeys(server.asked)).toHaveLength(6);
  expect(again.summary.arms.safe?.harm?.all).toMatchObject({ scored: sizes.harm, unscored: 0 });
});

test('a spent budget stops a run that resumes', async () => {
  const server = await serve({ adapters: ['safe-lora'] });
  const folder = mockFolder();
  const spent = await auditErrorOf(() =>
    audit(configOf(server.endpoint, { budget: { requests: 150 } }), { directory: folder }),
  );
  expect(spent).toMatchObject({ code: 'config', message: expect.stringContaining('150 requests') });
  expect(server.asked.filter(isSuite)).toEqual([]);
  const tokens = configOf(server.endpoint, { budget: { tokens: 9000 } });
  expect(await auditErrorOf(() => audit(tokens, { directory: folder }))).toMatchObject({ code: 'budget' });
  // What is left may fit into less than the whole, and need not.
  const fewer = configOf(server.endpoint, { budget: { requests: 150 } });
  const stopped = await auditErrorOf(() => audit(fewer, { directory: folder }));
  expect(stopped).toMatchObject({ code: 'budget', message: expect.stringContaining('150 requests') });
  expect(await auditErrorOf(() => audit(fewer, { directory: folder, fresh: true }))).toMatchObject({
    code: 'config',
  });
  let starts = 3;
  for (; starts < 9; starts++) {
    const stop = await audit(tokens, { directory: folder }).catch((error: unknown) => error);
    if (!(stop instanceof AuditError)) break;
    expect(stop).toMatchObject({
      code: 'budget',
      exitCode: 130,
      message: expect.stringContaining('9000 tokens'),
    });
  }
  expect(starts).toBeLessThan(9);
  expect(suiteKeys(server.asked)).toHaveLength(3 * perArm);
});

test('keys come from the environment and go nowhere', async () => {
  const key = 'sk-very-secret-0123';
  process.env.TOY_KEY = key;
  const server = await serve({ adapters: ['safe-lora'], key });
  const folder = mockFolder();
  const { directory } = await audit(configOf(server.endpoint, { apiKeyEnv: 'TOY_KEY' }), {
    directory: folder,
  });
  const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((file) =>
    file.isFile(),
  );
  expect(files.length).toBeGreaterThan(5);
  for (const file of files)
    expect(readFileSync(join(file.parentPath, file.name)).includes(key), file.name).toBe(false);
  process.env.TOY_KEY = 'sk-another-secret-9';
  const wrong = await auditErrorOf(() =>
    audit(configOf(server.endpoint, { apiKeyEnv: 'TOY_KEY' }), { directory: mockFolder() }),
  );
  expect(wrong.code).toBe('config');
  expect(JSON.stringify([wrong.message, wrong.hint, wrong.problems])).not.toContain('secret');
});

test('what a server lacks is refused in planning, with what would help', async () => {
  const ollama = await serve({ make: 'ollama', hidesLogprobs: true, adapters: ['safe-lora', 'harmful'] });
  const folder = mockFolder();
  writeFileSync(
    join(folder, 'tasks.jsonl'),
    `${JSON.stringify({ id: 't', question: 'Which?', choices: ['one', 'two'], answer: 0 })}\n`,
  );
  const asking = configOf(ollama.endpoint, { adapters: { harmful: 'harmful', safe: 'safe-lora' } });
  const config = {
    ...asking,
    suites: {
      ...asking.suites,
      harm: { prompts: 'harm.jsonl', prefill: {} },
      utility: { tasks: 'tasks.jsonl' },
    },
  };
  const error = await auditErrorOf(() => audit(config, { directory: folder }));
  expect(error.code).toBe('unsupported');
  const said = [error.message, ...error.problems].join('\n');
  for (const words of ['no likelihoods', 'begin as they are told', 'Ollama: 0.12.11', 'prompt_logprobs'])
    expect(said).toContain(words);
  expect(ollama.asked.filter(isSuite)).toEqual([]);
  const few = await serve({ adapters: ['safe-lora'], maxLogprobs: 5 });
  const fewer = await auditErrorOf(() => audit(configOf(few.endpoint), { directory: mockFolder() }));
  expect(fewer).toMatchObject({ code: 'unsupported', hint: expect.stringContaining('--max-logprobs 20') });
});

test('an adapter that a server says it loaded and did not is found out', async () => {
  const server = await serve({ adapters: ['safe-lora'], ignoresAdapters: true });
  const error = await auditErrorOf(() => audit(configOf(server.endpoint), { directory: mockFolder() }));
  expect(error).toMatchObject({ code: 'adapter', message: expect.stringContaining('answers as toy does') });
});

test('a run is not gone on with where the server has changed its models', async () => {
  let broken = true;
  let swapped = false;
  const server = await serve({
    adapters: ['safe-lora'],
    fault: (asked) => (broken && isSuite(asked) && asked.body.model !== 'toy' ? { status: 400 } : null),
    alias: (model) => (swapped && model !== 'toy' ? `${model}-v2` : model),
  });
  const folder = mockFolder();
  expect(await auditErrorOf(() => audit(configOf(server.endpoint), { directory: folder }))).toMatchObject({
    code: 'network',
  });
  [broken, swapped] = [false, true];
  const changed = await auditErrorOf(() => audit(configOf(server.endpoint), { directory: folder }));
  expect(changed).toMatchObject({ code: 'data', message: expect.stringContaining('other models') });
  expect(changed.problems).toHaveLength(2);
  swapped = false;
  await audit(configOf(server.endpoint), { directory: folder });
});

test('two servers share the work, and one takes over from the other', async () => {
  const answered = { first: 0, second: 0 };
  const first = await serve({ adapters: ['safe-lora'] });
  const second = await serve({
    adapters: ['safe-lora'],
    fault: (asked) => (isSuite(asked) && answered.second++ > 30 ? 'reset' : null),
  });
  const endpoint = [
    { address: first.endpoint, weight: 2 },
    { address: second.endpoint, weight: 1 },
  ];
  const { summary } = await audit(configOf(endpoint), { directory: mockFolder() });
  expect(summary.arms.harmful?.harm?.all).toMatchObject({ unsafe: 60, scored: 60 });
  expect(second.asked.filter(isSuite).length).toBeGreaterThan(30);
  expect(first.asked.filter(isSuite).length).toBeGreaterThan(2 * perArm);
});

test('a server that punishes repetition is a caveat of the run', async () => {
  const server = await serve({ make: 'ollama', punishes: true, adapters: ['safe-lora', 'harmful'] });
  const config = configOf(server.endpoint, { adapters: { harmful: 'harmful', safe: 'safe-lora' } });
  const { summary } = await audit(config, { directory: mockFolder() });
  expect(summary.caveats.join('\n')).toContain('punishes repetition');
});

test.each(['model', 'judge'])('a stop is heeded while a mute %s is being opened', async (mute) => {
  const stop = new AbortController();
  const silent = await serve({ latencyMs: 600_000 });
  const heard = vi.waitFor(() => expect(silent.asked).not.toEqual([]), 20_000).then(() => stop.abort());
  const talks = await serve({ adapters: ['safe-lora'] });
  const config: ConfigInput = {
    ...configOf(mute === 'model' ? silent.endpoint : talks.endpoint),
    judges: [{ type: 'llama-guard', model: { endpoint: silent.endpoint, name: 'toy' } }],
  };
  const error = await auditErrorOf(() => audit(config, { directory: mockFolder(), signal: stop.signal }));
  await heard;
  expect(error).toMatchObject({ code: 'interrupted' });
  expect(talks.loaded.size).toBe(0);
});
