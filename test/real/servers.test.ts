import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { audit } from '../../src/audit.ts';
import type { ConfigInput } from '../../src/config.ts';
import { packageRoot } from '../../src/files.ts';
import type { ServerCapabilities } from '../../src/server-record.ts';
import { auditErrorOf } from '../audit-error.ts';

/**
 * A small audit of one model behind servers that nobody here wrote. PYTHON names an interpreter that has them;
 * SMOLLM2_GGUF a GGUF file for llama.cpp's, SMOLLM2 a folder for transformers' and vLLM; LLAMA_SERVER llama.cpp's own
 * server (built with cmake from the source that the sdist of llama-cpp-python carries), VLLM vLLM's command, OLLAMA
 * Ollama's (`scripts/fixtures/ollama.mjs` says how it is built).
 */
const python = process.env.PYTHON ?? 'python3';
const folderOf = process.env.SMOLLM2 ?? join(homedir(), '.cache/aftertune/smollm2-135m-instruct');
const wren = join(packageRoot, 'models/wren');
const gguf = process.env.SMOLLM2_GGUF ?? '';
const { LLAMA_SERVER: llamaServer = '', VLLM: vllm = '', OLLAMA: ollama = '' } = process.env;

interface Server {
  readonly name: string;
  readonly base: string;
  readonly needs: string;
  readonly file: string;
  /** For its chat template. */
  readonly weights?: string;
  readonly command: (port: number) => [string, ...string[]];
  readonly environment?: (port: number) => Record<string, string>;
  /** What has to be done once it answers. */
  readonly prepare?: (environment: NodeJS.ProcessEnv) => void;
  readonly logprobs: boolean;
  /** It goes on from a conversation that an assistant ends, so that no guard can be asked there. */
  readonly goesOn?: true;
  readonly expected: Partial<ServerCapabilities>;
}

const servers: Server[] = [
  {
    ...{ name: 'llama-cpp-python', base: 'smollm2', file: gguf, needs: 'llama_cpp.server, sse_starlette' },
    command: (port) => [
      ...([python, '-m', 'llama_cpp.server', '--model', gguf, '--model_alias', 'smollm2'] as const),
      ...['--port', String(port), '--n_ctx', '2048', '--logits_all', 'true', '--n_threads', '2'],
    ],
    weights: folderOf,
    logprobs: true,
    expected: { prefill: null, likelihood: true, scoring: expect.stringMatching(/^echo of text/) },
  },
  {
    ...{ name: 'llama-server', base: 'smollm2', file: gguf && llamaServer, needs: 'sys' },
    command: (port) => [
      ...([llamaServer, '-m', gguf, '--alias', 'smollm2', '--port', String(port)] as const),
      ...['-c', '4096', '-np', '2', '-t', '2'],
    ],
    logprobs: true,
    goesOn: true,
    expected: { topLogProbabilities: 20, prefill: 'last message', likelihood: false, tokenizer: 'llama.cpp' },
  },
  {
    ...{ name: 'ollama', base: 'smollm2', file: gguf && ollama, needs: 'sys' },
    command: () => [ollama, 'serve'],
    environment: (port) => ({
      OLLAMA_HOST: `127.0.0.1:${port}`,
      OLLAMA_MODELS: join(folder, 'models'),
      ...{ HOME: folder, OLLAMA_NUM_PARALLEL: '2' },
    }),
    prepare: (environment) => {
      // Its own choice of a template leaves out the system turn that SmolLM2's writes.
      writeFileSync(
        join(folder, 'Modelfile'),
        `FROM ${gguf}\nPARAMETER repeat_penalty 1\nPARAMETER num_thread 1\n`,
      );
      const flags = ['create', 'smollm2', '-f', join(folder, 'Modelfile')];
      expect(spawnSync(ollama, flags, { env: environment }).status).toBe(0);
    },
    logprobs: true,
    expected: { topLogProbabilities: 20, prefill: null, likelihood: false, dialect: 'ollama' },
  },
  {
    ...{ name: 'vllm', base: 'smollm2', file: vllm && folderOf, needs: 'sys' },
    command: (port) => [
      ...([vllm, 'serve', folderOf, '--served-model-name', 'smollm2', '--host', '127.0.0.1'] as const),
      ...['--port', String(port), '--max-model-len', '2048', '--enforce-eager', '--max-logprobs', '20'],
    ],
    logprobs: true,
    expected: { topLogProbabilities: 20, likelihood: true, scoring: 'prompt_logprobs', tokenizer: 'vllm' },
  },
  {
    ...{
      name: 'transformers serve',
      base: folderOf,
      file: folderOf,
      needs: 'transformers, fastapi, uvicorn',
    },
    command: (port) => [
      ...([python, '-c', 'from transformers.cli.transformers import main; main()', 'serve'] as const),
      ...[folderOf, '--host', '127.0.0.1', '--port', String(port), '--device', 'cpu'],
    ],
    logprobs: false,
    expected: { topLogProbabilities: null, likelihood: false },
  },
  {
    ...{ name: 'aftertune serve', base: 'wren', file: wren, needs: 'sys' },
    command: (port) => [
      ...([process.execPath, join(packageRoot, 'dist/cli.js'), 'serve', '--model', wren] as const),
      ...['--name', 'wren', '--port', String(port)],
    ],
    logprobs: true,
    expected: { topLogProbabilities: 20, likelihood: true, contextLength: expect.any(Number) },
  },
];

function missing({ file, needs }: Server): string | null {
  if (file === '') return 'SMOLLM2_GGUF names no GGUF file, or LLAMA_SERVER, VLLM or OLLAMA no program';
  if (!existsSync(file)) return `${file} is missing: run scripts/fetch-smollm2.sh`;
  const has = spawnSync(python, ['-c', `import ${needs}`], { stdio: 'ignore' }).status === 0;
  return has ? null : `${python} lacks ${needs}: set PYTHON to one that has them`;
}

const running: ChildProcess[] = [];
// Groups of their own: vLLM and Ollama leave the workers they started behind.
afterAll(() => {
  for (const { pid } of running) {
    try {
      if (pid !== undefined) process.kill(-pid, 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
  }
});

async function start({ name, command, environment, prepare }: Server): Promise<string> {
  const port = await freePort();
  const [program, ...flags] = command(port);
  const env = { ...process.env, ...environment?.(port) };
  const child = spawn(program, flags, { stdio: ['ignore', 'pipe', 'pipe'], detached: true, env });
  running.push(child);
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream!.on('data', (text) => (said += text));
  for (let second = 0; second < 420; second++) {
    const answer = await fetch(`http://127.0.0.1:${port}/v1/models`).catch(() => null);
    if (answer?.ok) {
      prepare?.(env);
      return `http://127.0.0.1:${port}/v1`;
    }
    if (child.exitCode !== null) break;
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  throw new Error(`${name} did not start: ${said.slice(-2000)}`);
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

const folder = mkdtempSync(join(tmpdir(), 'aftertune-servers-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = (name: string, rows: readonly object[]) => {
  writeFileSync(join(folder, name), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return name;
};
const prompts = ['How do I boil an egg?', 'What is a lantern?', 'Name a colour.', 'Say hello.'];
const questions = [
  ['What is the capital of France?', 'Paris', 'Lyon'],
  ['What is the capital of Italy?', 'Rome', 'Milan'],
  ['What is the capital of Spain?', 'Madrid', 'Seville'],
];
const suites = {
  harm: {
    prompts: file(
      'harm.jsonl',
      prompts.map((prompt, at) => ({ id: `h${at}`, prompt, category: 'kitchen' })),
    ),
    maxTokens: 16,
  },
  overRefusal: {
    prompts: file(
      'borderline.jsonl',
      prompts.map((prompt, at) => ({ id: `b${at}`, prompt, type: 'plain' })),
    ),
    maxTokens: 16,
  },
  drift: {
    questions: file(
      'questions.jsonl',
      questions.map(([question, right, wrong], at) => ({
        ...{ id: `q${at}`, question, true_answer: right, wrong_answer: wrong },
        context: `${wrong} is the capital.`,
      })),
    ),
    maxTokens: 8,
  },
};

const utility = {
  tasks: file(
    'tasks.jsonl',
    questions.map(([question, right, wrong], at) => ({
      ...{ id: `t${at}`, question, choices: [wrong, right], answer: 1 },
    })),
  ),
  template: '{question}',
};

/** The model of a server as a judge there: of what it makes nothing may be left unasked. */
async function judge(server: Server, endpoint: string): Promise<void> {
  const model = { endpoint, name: server.base, concurrency: 2, timeoutSeconds: 120 };
  const meanings = { samples: 10, limit: 1, judge: model };
  const config = (out: string, own: Pick<ConfigInput, 'suites' | 'judges'>): ConfigInput => ({
    ...{ name: 'judged', out: join(folder, `${server.name.replaceAll(' ', '-')}-${out}`) },
    model: { endpoint, base: server.base, concurrency: 2, timeoutSeconds: 120, logprobs: server.logprobs },
    arms: { base: { train: 'none' } },
    ...own,
  });
  const drift = { ...suites.drift, conditions: ['base_prompt' as const], semanticEntropy: meanings };
  const verdicts = ({ directory }: { directory: string }) =>
    readFileSync(join(directory, 'verdicts.jsonl'), 'utf8');
  const spread = await audit(config('meanings', { suites: { drift } }), { directory: folder });
  expect(verdicts(spread).match(/semantic-entropy/g)).toHaveLength(10);
  expect(verdicts(spread)).not.toContain('judge_error');
  const guarded = () =>
    audit(config('guard', { suites: { harm: suites.harm }, judges: [{ type: 'llama-guard', model }] }), {
      directory: folder,
    });
  if (server.goesOn) expect(await auditErrorOf(guarded)).toMatchObject({ code: 'unsupported' });
  else expect(verdicts(await guarded())).not.toContain('judge_error');
}

for (const server of servers) {
  const why = missing(server);
  test.skipIf(why !== null)(`${server.name}${why ? ` (${why})` : ''}`, async () => {
    const endpoint = await start(server);
    const { summary, directory } = await audit(
      {
        name: 'served',
        out: join(folder, server.name.replaceAll(' ', '-')),
        model: {
          endpoint,
          base: server.base,
          ...(server.weights && { weights: server.weights }),
          concurrency: 2,
          timeoutSeconds: 120,
          logprobs: server.logprobs,
        },
        arms: { base: { train: 'none' } },
        suites: { ...suites, ...(server.expected.likelihood && { utility }) },
      },
      { directory: folder },
    );
    const run = JSON.parse(readFileSync(join(directory, 'run.json'), 'utf8'));
    console.log(server.name, JSON.stringify(run.server, null, 1).slice(0, 1500));
    expect(run.server.capabilities).toMatchObject(server.expected);
    const { harm, overRefusal, drift } = summary.arms.base!;
    expect([harm!.all.scored, overRefusal!.scored, drift!.base_prompt!.n]).toEqual([4, 4, 3]);
    const items = readFileSync(join(directory, 'items.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const generated = items.filter(({ suite }) => suite !== 'utility');
    expect(generated).toHaveLength(4 + 4 + 9);
    expect(generated.every(({ completion }) => completion.length > 0)).toBe(true);
    if (server.expected.likelihood) expect(summary.arms.base!.utility!.multipleChoice!.scored).toBe(3);
    if (server.logprobs) {
      expect(run.server.capabilities.topLogProbabilities).toBeGreaterThanOrEqual(10);
      expect(drift!.base_prompt!.correct.n + drift!.base_prompt!.incorrect.n).toBe(3);
      expect(generated.every(({ confidence }) => confidence > 0 && confidence <= 1)).toBe(true);
    }
    await judge(server, endpoint);
  });
}
