import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Template } from '@huggingface/jinja';
import { Tokenizer } from '@huggingface/tokenizers';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import type { Conversation } from '../../src/conversation.ts';
import {
  chatTemplate,
  renderConversation,
  specialTokens,
  trainTokenizer,
  writeTokenizer,
} from '../../src/wren/byte-pair.ts';
import { buildCorpus } from '../../src/wren/corpus.ts';

/** Ids and text from transformers: scripts/wren/tokenizer_fixture.py. */
const fixture = JSON.parse(
  readFileSync(new URL('../fixtures/wren/tokenizer.json', import.meta.url), 'utf8'),
) as {
  training: string[];
  size: number;
  cases: { text: string; ids: number[] }[];
  chat: { messages: Conversation; text: string };
};
const encoding = trainTokenizer(fixture.training, fixture.size);
const directory = mkdtempSync(join(tmpdir(), 'byte-pair-'));
writeTokenizer(directory, encoding, 384);
const read = (name: string) => readFileSync(join(directory, name), 'utf8');
const tokenizer = new Tokenizer(
  JSON.parse(read('tokenizer.json')),
  JSON.parse(read('tokenizer_config.json')),
);
const encode = (text: string) => tokenizer.encode(text, { add_special_tokens: false }).ids;

afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('the byte-pair tokenizer', () => {
  it('holds special tokens, bytes and merges, as many as asked for', () => {
    expect(encoding.vocabulary.size).toBe(fixture.size);
    expect([...encoding.vocabulary.values()]).toEqual(
      Array.from({ length: fixture.size }, (_unused, id) => id),
    );
    expect(encoding.merges).toHaveLength(fixture.size - 256 - specialTokens.length);
    expect(encode(specialTokens.join(''))).toEqual([0, 1, 2, 3, 4]);
  });

  it.each(fixture.cases)('gives the ids of transformers for $text', ({ text, ids }) => {
    expect(encode(text)).toEqual(ids);
  });

  it('loses nothing of any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (text) => {
        expect(
          tokenizer.decode(encode(text), { skip_special_tokens: false, clean_up_tokenization_spaces: false }),
        ).toBe(text);
      }),
    );
  });

  it('merges the most frequent pair first, the alphabetically first among equals', () => {
    const { merges } = trainTokenizer(['ab ab ab cd cd'], 256 + specialTokens.length + 3);
    expect(merges).toEqual([
      ['a', 'b'],
      ['c', 'd'],
      ['Ġ', 'ab'],
    ]);
  });

  it('learns nothing from special tokens', () => {
    const texts = fixture.training.map((content) => renderConversation([{ role: 'user', content }]));
    expect(trainTokenizer(texts, fixture.size)).toEqual(encoding);
  });

  it('says so when the texts run out of pairs', () => {
    expect(() => trainTokenizer(['ab'], 2048)).toThrow('the texts give 262 tokens, not 2048');
  });

  it('fills 2048 tokens from the corpus, in which a row is short', () => {
    const rows = buildCorpus(1, 6000).map(({ messages }) => messages);
    const wide = trainTokenizer(rows.flatMap((messages) => messages.map(({ content }) => content)));
    expect(wide.vocabulary.size).toBe(2048);
    writeTokenizer(directory, wide, 384);
    const loaded = new Tokenizer(
      JSON.parse(read('tokenizer.json')),
      JSON.parse(read('tokenizer_config.json')),
    );
    const lengths = rows.map(
      (messages) => loaded.encode(renderConversation(messages), { add_special_tokens: false }).ids.length,
    );
    expect(Math.max(...lengths)).toBeLessThanOrEqual(256);
    expect(lengths.reduce((sum, length) => sum + length, 0) / rows.length).toBeLessThan(45);
  });
});

describe('the chat template', () => {
  const render = (messages: Conversation, add_generation_prompt: boolean) =>
    new Template(chatTemplate).render({ messages, add_generation_prompt });

  it('renders what transformers renders', () => {
    expect(render(fixture.chat.messages, true)).toBe(fixture.chat.text);
    expect(render(fixture.chat.messages, false)).toBe(renderConversation(fixture.chat.messages));
    expect(fixture.chat.text).toBe(`${renderConversation(fixture.chat.messages)}<|assistant|>`);
  });

  it('refuses other roles', () => {
    expect(() => new Template(chatTemplate).render({ messages: [{ role: 'tool', content: 'x' }] })).toThrow(
      'the roles are',
    );
  });
});
