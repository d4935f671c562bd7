import { join } from 'node:path';
import type { Conversation } from '../conversation.ts';
import { writeFileAtomic } from '../files.ts';

/**
 * A byte-level byte-pair encoding, trained from text and written as Hugging Face files.
 * Source: Sennrich et al. 2016, arXiv 1508.07909; the byte alphabet and the word pattern are GPT-2's.
 */

export const specialTokens = ['<|pad|>', '<|end|>', '<|system|>', '<|user|>', '<|assistant|>'] as const;
export const endOfTurn = '<|end|>';
export const padding = '<|pad|>';

/** Each turn is `<|role|>content<|end|>`; the generation prompt is `<|assistant|>`. */
export const chatTemplate = [
  '{%- for message in messages -%}',
  '{%- if message.role not in ["system", "user", "assistant"] -%}',
  '{{- raise_exception("the roles are system, user and assistant") -}}',
  '{%- endif -%}',
  '{{- "<|" + message.role + "|>" + message.content + "<|end|>" -}}',
  '{%- endfor -%}',
  '{%- if add_generation_prompt -%}{{- "<|assistant|>" -}}{%- endif -%}',
].join('');

/** A conversation as the model reads it: what `chatTemplate` renders without a generation prompt. */
export function renderConversation(messages: Conversation): string {
  return messages.map(({ role, content }) => `<|${role}|>${content}${endOfTurn}`).join('');
}

export interface BytePairEncoding {
  /** Ids from 0: special tokens, the 256 bytes, then one token per merge. */
  readonly vocabulary: ReadonlyMap<string, number>;
  /** In the order they were learnt, in GPT-2's printable byte alphabet. */
  readonly merges: readonly (readonly [string, string])[];
}

const wordPattern = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;

const specialPattern = new RegExp(specialTokens.map((token) => token.replaceAll('|', '\\|')).join('|'));

/** GPT-2's printable character for each byte: itself where it is visible, else one from U+0100 on. */
const byteAlphabet: readonly string[] = (() => {
  let next = 0x100;
  const visible = (byte: number) =>
    (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  return Array.from({ length: 256 }, (_unused, byte) => String.fromCodePoint(visible(byte) ? byte : next++));
})();

/** A distinct word of the training text: its current symbols and how often it occurs. */
interface CountedWord {
  symbols: string[];
  readonly count: number;
}

/**
 * Learns merges until the vocabulary holds `size` tokens: the most frequent pair each time, the
 * alphabetically first among equals. Special tokens in the texts are passed over.
 * @throws Error when the texts run out of pairs before the vocabulary is full.
 */
export function trainTokenizer(texts: Iterable<string>, size = 2048): BytePairEncoding {
  const vocabulary = new Map<string, number>(
    [...specialTokens, ...byteAlphabet].map((token, id) => [token, id]),
  );
  const words = countWords(texts);
  const merges: [string, string][] = [];
  while (vocabulary.size < size) {
    const pair = mostFrequentPair(words);
    if (!pair) throw new Error(`internal: the texts give ${vocabulary.size} tokens, not ${size}`);
    merges.push(pair);
    vocabulary.set(pair.join(''), vocabulary.size);
    for (const word of words) word.symbols = mergePair(word.symbols, pair);
  }
  return { vocabulary, merges };
}

function countWords(texts: Iterable<string>): CountedWord[] {
  const counts = new Map<string, number>();
  for (const text of texts) {
    for (const part of text.split(specialPattern)) {
      for (const [word] of part.matchAll(wordPattern)) counts.set(word, (counts.get(word) ?? 0) + 1);
    }
  }
  const encoder = new TextEncoder();
  return [...counts].map(([word, count]) => ({
    symbols: [...encoder.encode(word)].map((byte) => byteAlphabet[byte]!),
    count,
  }));
}

function mostFrequentPair(words: readonly CountedWord[]): [string, string] | null {
  const counts = new Map<string, number>();
  for (const { symbols, count } of words) {
    for (let i = 1; i < symbols.length; i++) {
      // A space is never a symbol of its own: the byte alphabet writes it as Ġ.
      const pair = `${symbols[i - 1]} ${symbols[i]}`;
      counts.set(pair, (counts.get(pair) ?? 0) + count);
    }
  }
  let best: string | null = null;
  let most = 0;
  for (const [pair, count] of counts) {
    if (count > most || (count === most && best !== null && pair < best)) [best, most] = [pair, count];
  }
  return best === null ? null : (best.split(' ') as [string, string]);
}

function mergePair(symbols: string[], [left, right]: readonly [string, string]): string[] {
  if (!symbols.includes(left)) return symbols;
  const merged: string[] = [];
  for (let i = 0; i < symbols.length; i++) {
    const pair = symbols[i] === left && symbols[i + 1] === right;
    merged.push(pair ? left + right : symbols[i]!);
    if (pair) i++;
  }
  return merged;
}

/** The content of tokenizer.json. */
export function tokenizerJson({ vocabulary, merges }: BytePairEncoding): object {
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: specialTokens.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: byteLevel,
    decoder: byteLevel,
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(vocabulary),
      merges,
    },
  };
}

/** The content of tokenizer_config.json. */
export function tokenizerConfig(contextLength: number): object {
  return {
    tokenizer_class: 'PreTrainedTokenizerFast',
    eos_token: endOfTurn,
    pad_token: padding,
    additional_special_tokens: specialTokens.filter((token) => token !== endOfTurn && token !== padding),
    model_max_length: contextLength,
    clean_up_tokenization_spaces: false,
    add_prefix_space: false,
  };
}

/**
 * Writes tokenizer.json, tokenizer_config.json and chat_template.jinja into the folder.
 * @throws AuditError `disk`
 */
export function writeTokenizer(directory: string, encoding: BytePairEncoding, contextLength: number): void {
  const write = (name: string, text: string) => writeFileAtomic(join(directory, name), text, 0o644);
  write('tokenizer.json', `${JSON.stringify(tokenizerJson(encoding), null, 1)}\n`);
  write('tokenizer_config.json', `${JSON.stringify(tokenizerConfig(contextLength), null, 2)}\n`);
  write('chat_template.jinja', chatTemplate);
}
