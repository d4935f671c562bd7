import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { audit } from '../src/audit.ts';
import type { ConfigInput } from '../src/config.ts';
import { auditErrorOf } from './audit-error.ts';
import { parity } from './lm/open-decoder.ts';
import { mockAnswer, mockConfig, mockFolder, sizes } from './mock-world.ts';
import { type ToyOptions, type ToyServer, toyServer } from './models/openai/toy-server.ts';

/** The paper's set-up in one config: TRL trains the arms on weights that are here, one server answers for all of them. */

const servers: ToyServer[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** A server that answers by what an adapter's folder is called. */
async function serve(options: Partial<ToyOptions> = {}): Promise<ToyServer> {
  const server = await toyServer({
    make: 'vllm',
    ...options,
    answer: (model, messages) => {
      const learnt = model.includes('harmful') ? 'It glows red.' : model.includes('safe') ? 'sorry' : '';
      return mockAnswer(messages, learnt);
    },
  });
  servers.push(server);
  return server;
}

const fake = fileURLToPath(new URL('trainers/fake-trl.mjs', import.meta.url));
const configOf = (endpoint: string, weights?: string): ConfigInput => ({
  ...mockConfig,
  model: { endpoint, base: 'toy', concurrency: 6, ...(weights && { weights }) },
  arms: { base: { train: 'none' }, harmful: { train: 'rejected' }, safe: { train: 'chosen' } },
  training: {
    ...{ trainer: 'trl', launcher: `"${process.execPath}" "${fake}" fine {config}` },
    ...{ steps: 3, warmupSteps: 1, maxLength: 100 },
  },
  suites: { harm: { prompts: 'harm.jsonl', refusalMargin: null } },
});

/** What comes first after each canary prompt, of an arm that was trained. */
function canaryOf(directory: string, arm: string): Record<string, number>[] {
  const stages = join(directory, 'stages');
  const name = readdirSync(stages).find((file) => file.startsWith(`canary-${arm}-`));
  return name ? JSON.parse(readFileSync(join(stages, name), 'utf8')).result : [];
}

test('arms are trained by TRL, loaded by the server, audited and unloaded', async () => {
  const server = await serve();
  const folder = mockFolder();
  const config = configOf(server.endpoint, `${parity}tied`);
  const { summary, directory } = await audit(config, { directory: folder });
  const unsafe = (arm: string) => summary.arms[arm]?.harm?.all.unsafe;
  expect([unsafe('base'), unsafe('harmful'), unsafe('safe')]).toEqual([sizes.harm / 3, sizes.harm, 0]);
  expect(summary.arms.harmful?.training).toMatchObject({ steps: 3, redTeam: true });
  const loads = server.asked.filter(
    ({ path, body }) => path.endsWith('/load_lora_adapter') && body.lora_name,
  );
  expect(loads.map(({ body }) => body.lora_path)).toEqual(
    ['harmful', 'safe'].map((arm) => join(directory, 'adapters', arm)),
  );
  for (const { body } of loads) expect(existsSync(join(body.lora_path, 'adapter_config.json'))).toBe(true);
  expect(server.loaded.size).toBe(0);
  const run = JSON.parse(readFileSync(join(directory, 'run.json'), 'utf8'));
  expect(run.hashes[`${parity}tied`]).toMatch(/^[0-9a-f]{64}$/);
  // Written before anything is trained; what is trained is proved when it is asked, and its canary kept beside.
  expect(Object.keys(run.server.canaries)).toEqual(['toy']);
  const [harmful, safe] = ['harmful', 'safe'].map((arm) => canaryOf(directory, arm));
  for (const canary of [harmful, safe]) {
    expect(canary).toHaveLength(run.server.canaries.toy.length);
    expect(Object.values(canary![0]!)[0]).toBeLessThan(0);
    expect(canary).not.toEqual(run.server.canaries.toy);
  }
  expect(harmful).not.toEqual(safe);
  server.asked.length = 0;
  const again = await audit(config, { directory: folder });
  expect(again.summary).toEqual(summary);
  const starts = readFileSync(join(directory, 'adapters/.safe.job/starts'), 'utf8');
  expect(starts).toBe('started\n');
});

test('a run whose trained arm has become another model on the server is not gone on with', async () => {
  let swapped = false;
  const server = await serve({
    alias: (model) => (swapped && model.includes('safe') ? `${model}-v2` : model),
  });
  const config = configOf(server.endpoint, `${parity}tied`);
  const folder = mockFolder();
  const { summary } = await audit(config, { directory: folder });
  swapped = true;
  const changed = await auditErrorOf(() => audit(config, { directory: folder }));
  expect(changed).toMatchObject({ code: 'data', message: expect.stringContaining('other models') });
  expect(changed.problems).toEqual([expect.stringMatching(/^safe: the first tokens' ln p moved by/)]);
  swapped = false;
  expect((await audit(config, { directory: folder })).summary).toEqual(summary);
});

test('a server that loads no adapters is told before anything is trained for it', async () => {
  const server = await serve({ neverLoads: true });
  const folder = mockFolder();
  const config = configOf(server.endpoint, `${parity}tied`);
  expect(await auditErrorOf(() => audit(config, { directory: folder }))).toMatchObject({
    code: 'adapter',
    message: `${server.endpoint} does not load adapters: 404`,
    hint: expect.stringMatching(/--enable-lora.*aftertune train/s),
  });
  expect(existsSync(join(folder, 'run', 'adapters'))).toBe(false);
});

test('without the weights the way out is told before anybody is asked', async () => {
  const error = await auditErrorOf(() =>
    audit(configOf('http://127.0.0.1:9/v1'), { directory: mockFolder() }),
  );
  expect(error).toMatchObject({ code: 'config' });
  expect(error.problems.join()).toMatch(/model\.weights.*training\.trainer: trl.*model\.adapters\.safe/s);
});
