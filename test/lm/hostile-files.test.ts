import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { packageRoot } from '../../src/files.ts';
import { readDecoderConfig } from '../../src/lm/config.ts';
import { loadChatTokenizer } from '../../src/lm/tokenizer.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { parity } from './open-decoder.ts';

/** Files that made the process hang, run out of memory or fail like a bug, as test/full/fuzz found them. */

function modelWith(name: string, change: (document: Record<string, unknown>) => void): string {
  const folder = temporaryFolder();
  cpSync(`${parity}tied`, folder, { recursive: true });
  cpSync(join(packageRoot, 'models/wren/chat_template.jinja'), join(folder, 'chat_template.jinja'));
  const path = join(folder, name);
  const document = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
  change(document);
  writeFileSync(path, JSON.stringify(document));
  return folder;
}

test('a model of two thousand billion layers is refused before a name is made for each', () => {
  const folder = modelWith('config.json', (config) => (config.num_hidden_layers = 2e12));
  expect(() => readDecoderConfig(folder)).toThrow(/1 wrong values/);
});

test.each([76_000_000, -1, 0.5, 'a'])('a token whose id is %s is refused by name', (id) => {
  const folder = modelWith('tokenizer.json', (tokenizer) => {
    (tokenizer.model as { vocab: Record<string, unknown> }).vocab.j = id;
  });
  expect(() => loadChatTokenizer(folder)).toThrow(`the id of "j" is ${id}`);
});
