import { execFile, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { audit } from '../../src/audit.ts';
import { ask } from '../../src/conversation.ts';
import { packageRoot } from '../../src/files.ts';
import type { LanguageModel } from '../../src/model.ts';
import { createEmbeddedModel } from '../../src/models/embedded.ts';
import { type Serving, serveModels } from '../../src/serve/server.ts';

/** Clients that nobody here wrote, against Wren served here. PYTHON names an interpreter that has them. */

const python = process.env.PYTHON ?? 'python3';
const wren = join(packageRoot, 'models/wren');
const folder = mkdtempSync(join(tmpdir(), 'aftertune-clients-'));
const decoding = { maxTokens: 24, temperature: 0, topP: 1, seed: 1 };
const rows = readFileSync(join(wren, 'data/questions.jsonl'), 'utf8')
  .trim()
  .split('\n')
  .slice(0, 40)
  .map(
    (line) => JSON.parse(line) as { id: string; question: string; true_answer: string; wrong_answer: string },
  );
const few = rows.slice(0, 6).map(({ question }) => question);

let model: LanguageModel;
let serving: Serving;
beforeAll(async () => {
  model = await createEmbeddedModel({ directory: wren });
  const settings = { host: '127.0.0.1', port: 0, key: null, version: '0', log: () => {} };
  serving = await serveModels([{ name: 'wren', root: wren, parent: null, model }], settings);
});
afterAll(async () => {
  await serving.close(0);
  await model.close();
  rmSync(folder, { recursive: true, force: true });
});

const lacks = (module: string) =>
  spawnSync(python, ['-c', `import ${module}`], { stdio: 'ignore' }).status !== 0;
const offline = {
  ...{
    HF_HUB_OFFLINE: '1',
    HF_DATASETS_OFFLINE: '1',
    HF_HOME: join(folder, 'hf'),
    LOG_DIR: join(folder, 'logs'),
  },
  ...{ OPENAI_API_KEY: 'none', TOKENIZERS_PARALLELISM: 'false' },
};
async function run(...args: string[]): Promise<string> {
  const env = { ...process.env, ...offline };
  const { stdout } = await promisify(execFile)(python, args, { env, cwd: folder, maxBuffer: 2 ** 26 });
  return stdout;
}
const own = async (questions: readonly string[]) =>
  (
    await model.generate(
      questions.map((question) => ({ messages: ask(question), seed: 1 })),
      decoding,
    )
  ).map(({ text }) => text);

for (const [kind, module] of [
  ['openai', 'openai'],
  ['inspect', 'inspect_ai, openai'],
] as const)
  test.skipIf(lacks(module))(`${kind}: the answers are the engine's (needs ${module})`, async () => {
    const script = join(packageRoot, 'test/real/clients.py');
    const answers = JSON.parse(
      (await run(script, kind, serving.url, JSON.stringify(few))).trim().split('\n').at(-1)!,
    );
    expect(answers).toEqual(await own(few));
  });

const json = (rows: readonly object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

/** Runs lm-evaluation-harness on a task of ours; its results, and each document with its responses. */
async function harness(
  kind: string,
  route: string,
  name: string,
  task: object,
  docs: object[],
  flags: string[] = [],
) {
  const [tasks, out] = [join(folder, name), join(folder, `${name}-out`)];
  mkdirSync(tasks);
  writeFileSync(join(tasks, 'items.jsonl'), json(docs));
  const settings = {
    ...{ task: name, dataset_path: 'json', test_split: 'test', num_fewshot: 0 },
    dataset_kwargs: { data_files: { test: join(tasks, 'items.jsonl') } },
    ...{ target_delimiter: '', ...task },
  };
  writeFileSync(join(tasks, `${name}.yaml`), JSON.stringify(settings)); // JSON is YAML
  const model = `model=wren,base_url=${serving.url}/${route},num_concurrent=4,max_retries=1`;
  await run(
    ...['-m', 'lm_eval', '--model', kind, '--model_args', model, '--tasks', name, '--include_path', tasks],
    ...['--output_path', out, '--log_samples', ...flags],
  );
  const files = readdirSync(out, { recursive: true, encoding: 'utf8' });
  const read = (part: string) => readFileSync(join(out, files.find((file) => file.includes(part))!), 'utf8');
  return {
    results: JSON.parse(read('results_')).results[name] as Record<string, number>,
    samples: read('samples_')
      .trim()
      .split('\n')
      .map(
        (line) =>
          JSON.parse(line) as { doc_id: number; doc: { id: string }; resps: unknown[][]; acc?: number },
      )
      .toSorted((a, b) => a.doc_id - b.doc_id),
  };
}

test.skipIf(lacks('lm_eval, tenacity, aiohttp'))(
  'lm-eval local-completions: its acc is our utility suite’s',
  async () => {
    const items = rows.map(({ id, question, true_answer, wrong_answer }, at) => {
      const choices = at % 2 ? [wrong_answer, true_answer] : [true_answer, wrong_answer];
      return { id, question, choices, answer: at % 2 };
    });
    writeFileSync(join(folder, 'tasks.jsonl'), json(items));
    const { summary } = await audit(
      {
        ...{
          name: 'own',
          out: join(folder, 'own'),
          model: { path: wren },
          arms: { base: { train: 'none' } },
        },
        suites: { utility: { tasks: 'tasks.jsonl', template: '{question}' } },
      },
      { directory: folder },
    );
    const texts = await model.render(items.map(({ question }) => ask(question)));
    const docs = items.map((item, at) => ({ ...item, prompt: texts[at]!.text }));
    const { results, samples } = await harness(
      'local-completions',
      'completions',
      'wren_choice',
      {
        ...{ output_type: 'multiple_choice', doc_to_text: '{{prompt}}' },
        ...{
          doc_to_choice: '{{choices}}',
          doc_to_target: 'answer',
          metric_list: [{ metric: 'acc' }, { metric: 'acc_norm' }],
        },
      },
      docs,
    );
    const { rate, accNorm } = summary.arms.base!.utility!.multipleChoice!;
    expect(results['acc,none']).toBe(rate);
    expect(results['acc_norm,none']).toBe(accNorm);
    expect(samples).toHaveLength(40);
  },
);

test.skipIf(lacks('lm_eval, tenacity, aiohttp'))(
  'lm-eval local-chat-completions: its answers are the engine’s',
  async () => {
    const task = {
      ...{ output_type: 'generate_until', doc_to_text: '{{question}}', doc_to_target: '{{true_answer}}' },
      ...{
        generation_kwargs: { until: ['\n\n\n'], max_gen_toks: 24, temperature: 0 },
        metric_list: [{ metric: 'exact_match' }],
      },
    };
    const { samples } = await harness(
      'local-chat-completions',
      'chat/completions',
      'wren_chat',
      task,
      rows.slice(0, 6),
      ['--apply_chat_template'],
    );
    expect(samples.map(({ resps }) => resps[0]![0])).toEqual(await own(few));
  },
);
