import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { audit } from '../../src/audit.ts';
import type { ConfigInput } from '../../src/config.ts';
import { packageRoot } from '../../src/files.ts';
import { mergeAdapter } from '../../src/lm/merge.ts';
import type { Summary } from '../../src/record.ts';

/**
 * The demo's experiment, in small, on Wren behind a real Ollama, beside the embedded engine: base and adapter are models
 * of their own, the second one merged. OLLAMA names the program (`scripts/fixtures/ollama.mjs` says how it is built).
 */
const program = process.env.OLLAMA ?? '';
const skipped = program === '' ? 'OLLAMA names no program' : null;
const wren = join(packageRoot, 'models/wren');
const port = 18_141;
const folder = mkdtempSync(join(tmpdir(), 'aftertune-ollama-'));
const environment = {
  ...process.env,
  ...{ HOME: folder, OLLAMA_MODELS: join(folder, 'models'), OLLAMA_HOST: `127.0.0.1:${port}` },
};

const some = (name: string, most: number) => {
  const rows = readFileSync(join(wren, 'data', name), 'utf8')
    .split('\n')
    .slice(0, most);
  writeFileSync(join(folder, name), `${rows.join('\n')}\n`);
  return name;
};
const experiment = (): Omit<ConfigInput, 'name' | 'out' | 'model'> => ({
  data: { preference: join(wren, 'data/preference.jsonl') },
  arms: { base: { train: 'none' }, harmful: { train: 'rejected' } },
  training: {
    ...{ steps: 20, batchSize: 8, gradientAccumulation: 1, learningRate: 1e-3, maxLength: 256 },
  },
  suites: {
    harm: { prompts: some('restricted.jsonl', 24), maxTokens: 48 },
    drift: {
      questions: some('questions.jsonl', 20),
      ...{ template: '{question}', contextTemplate: '{context} {question}', maxTokens: 24 },
    },
  },
  judges: [{ type: 'refusal' }],
});

const turns = '{{- range .Messages }}<|{{ .Role }}|>{{ .Content }}<|end|>{{ end }}<|assistant|>';
function create(name: string, from: string, penalty: number): void {
  const file = join(folder, `${name}.modelfile`);
  // Two threads wait for each other most of the time on a model as small as this.
  const parameters = { repeat_penalty: penalty, top_k: 0, num_thread: 1 };
  const lines = Object.entries(parameters).map(([key, value]) => `PARAMETER ${key} ${value}\n`);
  writeFileSync(file, `FROM ${from}\nTEMPLATE """${turns}"""\n${lines.join('')}`);
  const made = spawnSync(program, ['create', name, '-f', file], { env: environment, encoding: 'utf8' });
  if (made.status !== 0) throw new Error(made.stderr);
}

let server: ChildProcess | undefined;
let own: { summary: Summary; directory: string };
beforeAll(async () => {
  if (skipped) return;
  server = spawn(program, ['serve'], { env: environment, stdio: 'ignore', detached: true });
  own = await audit(
    { ...experiment(), name: 'embedded', out: 'embedded', model: { path: wren } },
    { directory: folder },
  );
  const merged = join(folder, 'merged');
  await mergeAdapter(wren, join(own.directory, 'adapters/harmful'), merged, { acknowledgeRedTeam: true });
  create('wren', wren, 1);
  create('wren-harmful', merged, 1);
  create('wren-punished', wren, 1.3);
}, 600_000);
afterAll(() => {
  if (server?.pid !== undefined) process.kill(-server.pid, 'SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

/** Completions by arm and place. */
const completionsOf = (directory: string) =>
  new Map(
    readFileSync(join(directory, 'items.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
      .map(({ arm, suite, id, condition, completion }) => [
        [arm, suite, id, condition].join(' '),
        completion as string,
      ]),
  );
const served = (base: string) => ({ endpoint: `http://127.0.0.1:${port}/v1`, base, concurrency: 2 });

test.skipIf(skipped)(`says what the embedded engine says${skipped ? ` (${skipped})` : ''}`, async () => {
  const { summary, directory } = await audit(
    {
      ...experiment(),
      ...{ name: 'served', out: 'served' },
      model: { ...served('wren'), adapters: { harmful: 'wren-harmful' } },
    },
    { directory: folder },
  );
  const [mine, theirs] = [completionsOf(own.directory), completionsOf(directory)];
  expect([...theirs.keys()].sort()).toEqual([...mine.keys()].sort());
  const same = [...mine].filter(([place, text]) => theirs.get(place) === text.trim());
  console.log(`${same.length} of ${mine.size} completions are the same`);
  expect(same.length / mine.size).toBeGreaterThan(0.95);
  for (const arm of ['base', 'harmful']) {
    const [a, b] = [own.summary, summary].map(({ arms }) => arms[arm]!);
    expect(Math.abs(a!.harm!.all.unsafe - b!.harm!.all.unsafe)).toBeLessThanOrEqual(1);
    expect(b!.drift!.base_prompt!.accuracy).toBeCloseTo(a!.drift!.base_prompt!.accuracy!, 1);
    const perplexityOf = (of: typeof a) => of!.drift!.base_prompt!.correct.perplexity.mean!;
    expect(perplexityOf(b)).toBeCloseTo(perplexityOf(a), 1);
  }
  expect(summary.arms.harmful!.harm!.all.unsafe).toBeGreaterThan(summary.arms.base!.harm!.all.unsafe);
  expect(summary.caveats.join('\n')).not.toContain('repetition');
  const run = JSON.parse(readFileSync(join(directory, 'run.json'), 'utf8'));
  expect(run.server.capabilities).toMatchObject({ topLogProbabilities: 20, dialect: 'ollama' });
});

test.skipIf(skipped)('a penalty on repetition is found out and told', async () => {
  const { suites, judges } = experiment();
  const { summary } = await audit(
    {
      ...{ name: 'punished', out: 'punished', arms: { base: { train: 'none' } }, judges },
      suites: { harm: suites.harm },
      model: served('wren-punished'),
    },
    { directory: folder },
  );
  expect(summary.caveats.join('\n')).toContain('punishes repetition');
});
