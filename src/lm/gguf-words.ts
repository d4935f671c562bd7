/**
 * How byte-level tokenizers cut text into words, by `tokenizer.ggml.pre`. Source: llama.cpp's `llama-vocab.cpp`, which
 * holds the patterns of each model's tokenizer.json.
 */
export interface WordRule {
  /** Null: GPT-2's own pattern, which `ByteLevel` brings. */
  readonly pattern: string | null;
  /** Every digit is a word, whatever the pattern. */
  readonly digits?: boolean;
  /** Text is composed (NFC) before it is cut. */
  readonly composed?: boolean;
  /** A word that is a token is not cut, even where merges would not lead to it. */
  readonly ignoreMerges?: boolean;
  /** What holds where `tokenizer.ggml.add_bos_token` is left out. */
  readonly addBos?: boolean;
}

const contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const rest = String.raw`\s*[\r\n]+|\s+(?!\S)|\s+`;
const letters = String.raw`[^\r\n\p{L}\p{N}]?\p{L}+`;
const marks = String.raw` ?[^\s\p{L}\p{N}]+[\r\n]*`;
const upper = String.raw`[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`;
const lower = String.raw`[\p{Ll}\p{Lm}\p{Lo}\p{M}]`;
const cased = (quantifiers: readonly [string, string]) =>
  String.raw`[^\r\n\p{L}\p{N}]?${upper}${quantifiers[0]}${lower}${quantifiers[1]}`;
const marksAndSlashes = String.raw` ?[^\s\p{L}\p{N}]+[\r\n/]*`;

/** The pattern of cl100k, which Llama 3 took over: up to three digits together. */
const threeDigits = String.raw`${contractions}|${letters}|\p{N}{1,3}|${marks}|${rest}`;
const oneDigit = String.raw`${contractions}|${letters}|\p{N}|${marks}|${rest}`;
const tekken = String.raw`${cased(['*', '+'])}|${cased(['+', '*'])}|\p{N}|${marksAndSlashes}|${rest}`;
const gpt4o = String.raw`${cased(['*', '+'])}${contractions}?|${cased(['+', '*'])}${contractions}?|\p{N}{1,3}|${marksAndSlashes}|${rest}`;

const llama3: WordRule = { pattern: threeDigits, ignoreMerges: true, addBos: true };
const qwen2: WordRule = { pattern: oneDigit, composed: true };
const gpt2: WordRule = { pattern: null };
const digitByDigit: WordRule = { pattern: null, digits: true };

export const wordRules: Readonly<Record<string, WordRule>> = {
  'llama-bpe': llama3,
  llama3,
  'llama-v3': llama3,
  falcon3: llama3,
  'smaug-bpe': { pattern: threeDigits },
  dbrx: { pattern: threeDigits },
  qwen2,
  'deepseek-r1-qwen': qwen2,
  megrez: qwen2,
  tekken: { pattern: tekken, ignoreMerges: true, addBos: true },
  'gpt-4o': { pattern: gpt4o },
  smollm: digitByDigit,
  starcoder: digitByDigit,
  refact: digitByDigit,
  codeshell: digitByDigit,
  'command-r': digitByDigit,
  'gpt-2': gpt2,
  'phi-2': gpt2,
  olmo: gpt2,
  mpt: gpt2,
  default: gpt2,
};
