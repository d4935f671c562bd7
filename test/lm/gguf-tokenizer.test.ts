import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Conversation } from '../../src/conversation.ts';
import { packageRoot } from '../../src/files.ts';
import { openGguf } from '../../src/lm/gguf.ts';
import { createMetadata } from '../../src/lm/gguf-metadata.ts';
import { ggufGenerationConfig, ggufTokenizerConfig } from '../../src/lm/gguf-special-tokens.ts';
import { ggufTokenizer } from '../../src/lm/gguf-tokenizer.ts';
import { type ChatTokenizer, loadChatTokenizer } from '../../src/lm/tokenizer.ts';

/** Files of the gguf package, made from the tokenizers they are compared with: scripts/parity/gguf_fixtures.py. */
const fixtures = join(import.meta.dirname, '../fixtures');
const folder = mkdtempSync(join(tmpdir(), 'aftertune-gguf-tokenizer-'));
afterAll(() => rmSync(folder, { recursive: true }));

const names = ['generation_config.json', 'tokenizer.json', 'tokenizer_config.json'];

async function tokenizerOf(name: string): Promise<ChatTokenizer> {
  const model = await openGguf(join(fixtures, `gguf/${name}-tokenizer.gguf`));
  for (const file of names) writeFileSync(join(folder, file), model.text(file)!);
  const template = join(folder, 'chat_template.jinja');
  // The file of Wren's vocabulary has no template.
  if (name === 'wren') copyFileSync(join(packageRoot, 'models/wren/chat_template.jinja'), template);
  const tokenizer = loadChatTokenizer(folder);
  rmSync(template, { force: true });
  return tokenizer;
}

describe.each(['chatml', 'llama3', 'llama2', 'wren'])('%s', (name) => {
  const source = name === 'wren' ? join(packageRoot, 'models/wren') : join(fixtures, 'tokenizers', name);
  const original = loadChatTokenizer(source);
  let tokenizer: ChatTokenizer;
  beforeAll(async () => {
    tokenizer = await tokenizerOf(name);
  });

  it('gives the ids and texts of the tokenizer it was made from', () => {
    const word = fc.constantFrom(
      ..."the lighthouse counts BOATS; 1234 naïve don't  ½ 你好 \n\t 👍🏽 ( <|im_end|> <s> ▁".split(' '),
    );
    const text = fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 30 }),
      fc.array(fc.oneof(word, fc.constant(' ')), { maxLength: 12 }).map((words) => words.join(' ')),
    );
    fc.assert(
      fc.property(text, (string) => {
        const ids = original.encode(string);
        expect(tokenizer.encode(string)).toEqual(ids);
        expect(tokenizer.decode(ids)).toBe(original.decode(ids));
      }),
      { seed: 4, numRuns: 300 },
    );
  });

  it('renders conversations alike and ends answers alike', () => {
    const chat: Conversation = [{ role: 'user', content: 'Where is the harbour?' }];
    for (const addGenerationPrompt of [true, false])
      expect(tokenizer.render(chat, { addGenerationPrompt })).toBe(
        original.render(chat, { addGenerationPrompt }),
      );
    expect(tokenizer.eosTokenIds).toEqual(original.eosTokenIds);
    expect(tokenizer.padTokenId).toBe(original.padTokenId);
    expect(tokenizer.vocabularySize).toBe(original.vocabularySize);
  });
});

describe('ids that transformers gives', () => {
  it.each(['chatml', 'llama3', 'llama2'])('%s', async (name) => {
    const tokenizer = await tokenizerOf(name);
    const { strings } = JSON.parse(readFileSync(join(fixtures, 'tokenizers', name, 'expected.json'), 'utf8'));
    const got = strings.map(({ text }: { text: string }) => ({ text, ids: tokenizer.encode(text) }));
    expect(got).toEqual(strings.map(({ text, ids }: { text: string; ids: number[] }) => ({ text, ids })));
  });
});

const metadataOf = (entries: Record<string, unknown>) =>
  createMetadata(
    'x.gguf',
    new Map(Object.entries(entries).map(([key, value]) => [key, { value, type: 12 }])),
  );
const gemma = {
  'general.architecture': 'gemma2',
  'tokenizer.ggml.model': 'llama',
  'tokenizer.ggml.tokens': [
    '<unk>',
    '<eos>',
    'a',
    'b',
    'ab',
    '  ',
    '▁',
    '▁a',
    '\ufeffa',
    '<end_of_turn>',
    '[PAD10]',
  ],
  'tokenizer.ggml.scores': [0, 0, -9, -8, -7, -6, -5, -1, -2, 0, 0],
  'tokenizer.ggml.token_type': [2, 3, 1, 1, 1, 4, 1, 1, 1, 3, 5],
  'tokenizer.ggml.add_space_prefix': false,
  'tokenizer.ggml.eos_token_id': 1,
};

describe('what llama.cpp does not say', () => {
  it('Gemma merges in the order of its tokens and spells runs of spaces with ▁', () => {
    const { model, added_tokens, normalizer } = ggufTokenizer(metadataOf(gemma)) as {
      model: { vocab: Record<string, number>; merges: string[][] };
      added_tokens: { content: string }[];
      normalizer: { type: string };
    };
    expect(model.vocab['▁▁']).toBe(5);
    expect(model.vocab['[PAD10]']).toBeUndefined();
    expect(model.merges).toEqual([
      ['a', 'b'],
      ['▁', '▁'],
      ['▁', 'a'],
    ]);
    expect(added_tokens.map(({ content }) => content)).toEqual(['<unk>', '<eos>', '<end_of_turn>']);
    expect(normalizer.type).toBe('Replace');
  });

  it('others merge by their scores', () => {
    const { model } = ggufTokenizer(metadataOf({ ...gemma, 'general.architecture': 'llama' })) as {
      model: { merges: string[][] };
    };
    expect(model.merges).toEqual([
      ['▁', 'a'],
      ['a', 'b'],
    ]);
  });

  it('an answer ends where the template ends a turn, too', () => {
    const template = { 'tokenizer.chat_template': '{{ content }}<end_of_turn>' };
    expect(ggufGenerationConfig(metadataOf(gemma)).eos_token_id).toBe(1);
    expect(ggufGenerationConfig(metadataOf({ ...gemma, ...template })).eos_token_id).toEqual([1, 9]);
  });

  it('a SentencePiece text begins with BOS unless the file says otherwise', () => {
    const bos = { ...gemma, 'tokenizer.ggml.bos_token_id': 2 };
    expect(ggufTokenizerConfig(metadataOf(bos))).toMatchObject({ add_bos_token: true, bos_token: 'a' });
    const without = metadataOf({ ...bos, 'tokenizer.ggml.add_bos_token': false });
    expect(ggufTokenizerConfig(without)).toMatchObject({ add_bos_token: false });
  });
});

describe('refusals', () => {
  const bytes = {
    'tokenizer.ggml.model': 'gpt2',
    'tokenizer.ggml.pre': 'gpt-2',
    'tokenizer.ggml.tokens': ['a', 'b', 'ab'],
    'tokenizer.ggml.merges': ['a b'],
  };
  it.each([
    ['unsupported', 'tokenizer.ggml.model is t5', { ...bytes, 'tokenizer.ggml.model': 't5' }],
    ['unsupported', 'tokenizer.ggml.pre is viking', { ...bytes, 'tokenizer.ggml.pre': 'viking' }],
    ['unsupported', 'old converter', { ...bytes, 'tokenizer.ggml.pre': null }],
    ['model', 'no pair of tokens', { ...bytes, 'tokenizer.ggml.merges': ['a'] }],
    ['model', 'not a list of texts', { ...bytes, 'tokenizer.ggml.merges': [1] }],
    ['model', '3 tokens, but 1 token types', { ...bytes, 'tokenizer.ggml.token_type': [1] }],
    [
      'model',
      '11 tokens, but 0 scores',
      { ...gemma, 'general.architecture': 'llama', 'tokenizer.ggml.scores': null },
    ],
    [
      'model',
      'which is no token',
      { ...bytes, 'tokenizer.ggml.bos_token_id': 7, 'tokenizer.ggml.add_bos_token': true },
    ],
    ['model', 'no tokenizer', {}],
  ])('%s: %s', (code, message, entries) => {
    const kept = Object.fromEntries(Object.entries(entries).filter(([, value]) => value !== null));
    expect(() => ggufTokenizer(metadataOf(kept))).toThrowError(
      expect.objectContaining({ code, message: expect.stringContaining(message), hint: expect.any(String) }),
    );
  });
});
