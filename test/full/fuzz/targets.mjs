/** What reads files of strangers: where a whole file lies, how it is damaged, and how it is read. */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startServer, wholeAnswers } from './answers.mjs';
import { mutateBytes, mutateJson, mutateText } from './mutate.mjs';

const root = join(import.meta.dirname, '../../..');
const dist = (name) => import(join(root, 'dist', `${name}.js`));
const fixture = (name) => join(root, 'test/fixtures', name);
const wren = join(root, 'models/wren');

/** JSON is damaged as a document nine times out of ten, else as bytes. */
const json = (bytes, random) =>
  random.integer(10) === 0 ? mutateBytes(bytes, random) : Buffer.from(mutateJson(bytes.toString(), random));
const text = (bytes, random) =>
  random.integer(4) === 0 ? mutateBytes(bytes, random) : Buffer.from(mutateText(bytes.toString(), random));
const jsonLines = (bytes, random) => {
  const lines = bytes.toString().split('\n');
  const at = random.integer(lines.length);
  if (lines[at])
    lines[at] = random.integer(2)
      ? json(Buffer.from(lines[at]), random).toString()
      : mutateText(lines[at], random);
  return random.integer(6) === 0 ? mutateBytes(bytes, random) : Buffer.from(lines.join('\n'));
};

/** A folder of whole files, one of which is damaged for a case. */
function folderTarget(prepare, files, read) {
  return {
    files: Object.keys(files),
    prepare,
    damage: (name, bytes, random) => files[name](bytes, random),
    read,
  };
}

const copy = (from, names) => (folder) => {
  for (const name of names) cpSync(join(from, name), join(folder, name));
};

export const targets = {
  safetensors: folderTarget(
    copy(fixture('parity/tied'), ['config.json', 'model.safetensors']),
    {
      'model.safetensors': (bytes, random) => {
        // The header, where the claims are, is damaged as JSON in most cases.
        const size = Number(bytes.readBigUInt64LE(0));
        if (random.integer(4) === 0) return mutateBytes(bytes, random);
        const header = Buffer.from(mutateJson(bytes.subarray(8, 8 + size).toString(), random));
        const length = Buffer.alloc(8);
        length.writeBigUInt64LE(
          BigInt(random.integer(8) === 0 ? random.integer(2 ** 31) * 2 ** 20 : header.length),
        );
        return Buffer.concat([length, header, bytes.subarray(8 + size)]);
      },
    },
    async (folder) => {
      const { readDecoderConfig } = await dist('lm/config');
      const { openCheckpoint } = await dist('lm/checkpoint');
      openCheckpoint(folder, readDecoderConfig(folder)).close();
      const { openSafetensors } = await dist('lm/safetensors');
      const file = openSafetensors(join(folder, 'model.safetensors'));
      try {
        for (const name of file.tensors.keys()) file.readStored(name);
      } finally {
        file.close();
      }
    },
  ),
  'model config': folderTarget(
    copy(fixture('parity/tied'), ['config.json', 'generation_config.json', 'model.safetensors']),
    { 'config.json': json, 'generation_config.json': json },
    async (folder) => {
      const { readDecoderConfig, readEosTokenIds } = await dist('lm/config');
      const { openCheckpoint } = await dist('lm/checkpoint');
      readEosTokenIds(folder);
      openCheckpoint(folder, readDecoderConfig(folder)).close();
    },
  ),
  adapter: folderTarget(
    copy(fixture('parity/adapter'), ['adapter_config.json', 'adapter_model.safetensors']),
    { 'adapter_config.json': json, 'adapter_model.safetensors': mutateBytes },
    async (folder) => {
      const { readDecoderConfig } = await dist('lm/config');
      const { readAdapter } = await dist('lm/lora');
      readAdapter(folder, readDecoderConfig(fixture('parity/tied')));
    },
  ),
  tokenizer: folderTarget(
    copy(fixture('parity/tied'), [
      'config.json',
      'generation_config.json',
      'tokenizer.json',
      'tokenizer_config.json',
    ]),
    { 'tokenizer.json': json, 'tokenizer_config.json': json },
    async (folder) => {
      const { loadChatTokenizer } = await dist('lm/tokenizer');
      const tokenizer = loadChatTokenizer(folder);
      tokenizer.decode(tokenizer.encode('Where does the heron go?\u0000 \ud83e\udd86 <s>'));
      tokenizer.encodeForTraining([
        { role: 'user', content: 'a' },
        { role: 'assistant', content: 'b' },
      ]);
    },
  ),
  template: folderTarget(
    copy(wren, [
      'chat_template.jinja',
      'config.json',
      'generation_config.json',
      'tokenizer.json',
      'tokenizer_config.json',
    ]),
    { 'chat_template.jinja': text },
    async (folder) => {
      const { loadChatTemplate } = await dist('lm/chat-template');
      const { modelFolder } = await dist('lm/model-folder');
      const template = loadChatTemplate(modelFolder(folder), undefined, {
        bos_token: '<s>',
        eos_token: '</s>',
      });
      template.render(
        [
          { role: 'user', content: 'a' },
          { role: 'assistant', content: 'b' },
        ],
        { addGenerationPrompt: true },
      );
    },
  ),
  csv: folderTarget(
    copy(fixture('importers'), ['harmbench-behaviors.csv']),
    { 'harmbench-behaviors.csv': text },
    async (folder) => (await dist('dataset')).readHarmPrompts(join(folder, 'harmbench-behaviors.csv')),
  ),
  jsonl: folderTarget(
    (folder) => {
      const rows = readFileSync(join(wren, 'data/questions.jsonl'), 'utf8').split('\n').slice(0, 12);
      writeFileSync(join(folder, 'questions.jsonl'), rows.join('\n'));
    },
    { 'questions.jsonl': jsonLines },
    async (folder) => (await dist('dataset')).readQuestions(join(folder, 'questions.jsonl')),
  ),
  parquet: folderTarget(
    copy(fixture('data'), ['lanterns.parquet']),
    { 'lanterns.parquet': mutateBytes },
    async (folder) =>
      (await dist('data/readable')).readOriginal(join(folder, 'lanterns.parquet'), {
        columns: { question: 'question', answer: 'answer.value' },
      }),
  ),
  yaml: folderTarget(copy(join(root, 'examples'), ['demo.yaml']), { 'demo.yaml': text }, async (folder) =>
    (await dist('config-file')).readConfigFile(join(folder, 'demo.yaml'), [], {}),
  ),
  'run folder': folderTarget(
    (folder) => {
      const arms = ['base', 'tuned'].flatMap((arm) => [
        '--arm',
        `${arm}=${fixture(`importers/harmbench-${arm}.json`)}`,
      ]);
      const made = spawnSync(process.execPath, [
        join(root, 'dist/cli.js'),
        'import',
        ...arms,
        '--out',
        join(folder, 'run'),
      ]);
      if (made.status !== 0) throw new Error(String(made.stderr));
      const run = join(folder, 'run');
      for (const name of readdirSync(run)) cpSync(join(run, name), join(folder, name), { recursive: true });
      rmSync(run, { recursive: true });
      // Without its hashes a changed record is read, not refused.
      rmSync(join(folder, 'done.json'));
    },
    {
      'run.json': json,
      'setting.json': json,
      'summary.json': json,
      'items.jsonl': jsonLines,
      'verdicts.jsonl': jsonLines,
    },
    async (folder) => {
      const { readRun, readDocument } = await dist('store');
      const { settingDocument } = await dist('setting');
      const { listRuns } = await dist('runs');
      listRuns(join(folder, '..'));
      const { run, summary, items, verdicts } = readRun(folder);
      const { suites } = readDocument(join(folder, 'setting.json'), settingDocument);
      if (!summary) return;
      const { renderMarkdown } = await dist('report');
      renderMarkdown({ name: 'fuzzed', run, summary, items, verdicts, suites, histories: {}, facts: {} });
    },
  ),
  'server body': folderTarget(
    (folder) => {
      for (const [name, answer] of Object.entries(wholeAnswers))
        writeFileSync(join(folder, name), JSON.stringify(answer));
    },
    { 'chat.json': json, 'models.json': json, 'tokenize.json': json, 'detokenize.json': json },
    async (folder) => {
      const endpoint = await startServer(folder);
      const { openModelServer } = await dist('models/openai/served');
      const settings = {
        endpoint,
        base: 'toy',
        apiKeyEnv: null,
        timeoutSeconds: 5,
        attempts: 1,
        concurrency: 4,
      };
      const served = await openModelServer(
        { ...settings, logprobs: true, enableThinking: null },
        { backoffMs: 0, environment: {} },
      );
      const model = await served.model(null);
      const messages = [{ role: 'user', content: 'Where does the heron go?' }];
      const decoding = { maxTokens: 8, temperature: 0, topP: 1, seed: 0 };
      await model.generate([{ messages, seed: 0 }], decoding);
      await model.firstTokenMass?.([{ messages }], [1, 2]);
      // The same answer to everything holds no likelihood of anything.
      await model.loglikelihood?.({ messages }, ['north']).catch((error) => {
        if (error.code !== 'model') throw error;
      });
      await model.tokenTexts?.(['north']);
      await model.close();
      await served.close();
    },
  ),
};

/** Puts the whole files of a target into a folder. */
export function prepare(target, folder) {
  mkdirSync(folder, { recursive: true });
  target.prepare(folder);
  for (const name of target.files) if (!existsSync(join(folder, name))) throw new Error(`no ${name}`);
}
