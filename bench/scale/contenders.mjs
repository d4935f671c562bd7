import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promptOf, writeSuite } from './suite.mjs';
import { watched } from './watched-process.mjs';

/** Who asks the same prompts of the same server. Each gives { items, itemsPerSecond, wallSeconds, peakMegabytes }. */

const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
const here = (name) => fileURLToPath(new URL(name, import.meta.url));

async function measured({ server }, command, args, options) {
  await server.reset();
  const { code, tail, wallSeconds, peakMegabytes } = await watched(command, args, options).ended;
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}:\n${tail}`);
  const { items, first, last } = await server.stats();
  return { items, itemsPerSecond: (1000 * items) / (last - first), wallSeconds, peakMegabytes };
}

export const bareClient = (setting, items) =>
  measured(setting, process.execPath, [
    here('bare-client.mjs'),
    ...[setting.server.port, items, setting.connections].map(String),
  ]);

/** A whole audit: half of the answers from the base, half from an adapter, all judged, with its report. */
export function ours(setting, items, flags = []) {
  const config = writeConfig(setting, items / 2);
  return measured(setting, process.execPath, [...flags, cli, 'run', config]);
}

export function writeConfig({ server, connections, scratch }, prompts) {
  const folder = mkdtempSync(join(scratch, 'run-'));
  writeSuite(join(folder, 'suite.jsonl'), prompts);
  const config = join(folder, 'config.yaml');
  writeFileSync(
    config,
    `name: scale
model:
  endpoint: http://127.0.0.1:${server.port}/v1
  base: mock
  adapters: { tuned: mock-tuned }
  concurrency: ${connections}
  logprobs: false
arms: { base: { train: none }, tuned: {} }
suites: { harm: { prompts: suite.jsonl, maxTokens: 16, refusalMargin: null } }
judges: [{ type: refusal }]
out: run
`,
  );
  return config;
}

/** `folder`: holds node_modules/promptfoo. */
export function promptfoo(setting, items, folder) {
  const home = mkdtempSync(join(setting.scratch, 'promptfoo-'));
  const config = {
    prompts: ['{{prompt}}'],
    providers: [
      {
        id: 'openai:chat:mock',
        config: { apiBaseUrl: `http://127.0.0.1:${setting.server.port}/v1`, apiKey: 'none', max_tokens: 16 },
      },
    ],
    defaultTest: { assert: [{ type: 'icontains', value: 'cannot' }] },
    tests: Array.from({ length: items }, (_, n) => ({ vars: { prompt: promptOf(n) } })),
  };
  writeFileSync(join(home, 'promptfooconfig.json'), JSON.stringify(config));
  const main = join(folder, 'node_modules/promptfoo', packageOf(folder).bin.promptfoo);
  const flags = [
    '--no-cache',
    '--no-progress-bar',
    '--no-table',
    '--no-share',
    '-j',
    String(setting.connections),
  ];
  return measured(setting, process.execPath, [main, 'eval', '-c', 'promptfooconfig.json', ...flags], {
    cwd: home,
    env: {
      ...process.env,
      ...{ PROMPTFOO_CONFIG_DIR: home, PROMPTFOO_DISABLE_TELEMETRY: '1', PROMPTFOO_DISABLE_UPDATE: '1' },
      PROMPTFOO_DISABLE_REMOTE_GENERATION: '1',
    },
  });
}

const packageOf = (folder) =>
  JSON.parse(readFileSync(join(folder, 'node_modules/promptfoo/package.json'), 'utf8'));

export function inspect(setting, items, python) {
  const folder = mkdtempSync(join(setting.scratch, 'inspect-'));
  mkdirSync(join(folder, 'logs'));
  const prompts = join(folder, 'prompts.json');
  writeFileSync(prompts, JSON.stringify(Array.from({ length: items }, (_, n) => promptOf(n))));
  return measured(setting, python, [here('inspect_task.py'), prompts, String(setting.connections)], {
    cwd: folder,
    env: {
      ...process.env,
      ...{ OPENAI_BASE_URL: `http://127.0.0.1:${setting.server.port}/v1`, OPENAI_API_KEY: 'none' },
      INSPECT_LOG_DIR: join(folder, 'logs'),
    },
  });
}

export function versions({ promptfoo: folder, python }) {
  const ask = 'from importlib.metadata import version; print(version("inspect-ai"))';
  return {
    ...(folder && { promptfoo: packageOf(folder).version }),
    ...(python && { 'inspect-ai': execFileSync(python, ['-c', ask], { encoding: 'utf8' }).trim() }),
  };
}
