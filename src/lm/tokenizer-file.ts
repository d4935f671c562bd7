import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Tokenizer } from '@huggingface/tokenizers';
import { AuditError } from '../errors.ts';
import { readModelJson } from './config.ts';

/**
 * Reads tokenizer.json into @huggingface/tokenizers, mended where that differs from the reference, the Python package
 * tokenizers (found by comparing both on random strings: scripts/parity/tokenizer.py).
 * @throws AuditError `model` when the file is missing or malformed, `unsupported` when it would be read wrongly.
 */
export function loadTokenizer(directory: string, settings: object): Tokenizer {
  const path = join(directory, 'tokenizer.json');
  const json = readModelJson(directory, 'tokenizer.json');
  if (!json) {
    const hint = existsSync(join(directory, 'tokenizer.model'))
      ? 'only tokenizer.json is read: AutoTokenizer.from_pretrained(…).save_pretrained(…) of transformers makes it from tokenizer.model'
      : 'the model may be half-downloaded: fetch tokenizer.json too';
    throw new AuditError('model', `${path}: no such file`, { hint });
  }
  refuseSingleWords(path, json.added_tokens);
  try {
    const tokenizer = new Tokenizer(
      { ...json, pre_tokenizer: mendPreTokenizer(json.pre_tokenizer) },
      settings,
    );
    mendByteFallback(tokenizer.decoder as DecoderStep | null);
    return tokenizer;
  } catch (error) {
    throw new AuditError('model', `${path}: cannot be used: ${(error as Error).message}`, {
      hint: 'fetch the file again, or save the tokenizer with a current transformers',
      cause: error,
    });
  }
}

/** Added tokens that only count as whole words are found everywhere by the library. */
function refuseSingleWords(path: string, added: unknown): void {
  const tokens = Array.isArray(added) ? (added as { content?: unknown; single_word?: unknown }[]) : [];
  const problems = tokens
    .filter((token) => token?.single_word === true)
    .map(({ content }) => `added_tokens: ${JSON.stringify(content)} is single_word; supported: false`);
  if (problems.length === 0) return;
  throw new AuditError('unsupported', `${path}: this tokenizer is not supported`, {
    problems,
    hint: 'set single_word to false if the texts never hold these tokens inside a longer word',
  });
}

/** GPT-2's pattern with Unicode's white space; JavaScript's \s holds U+FEFF and lacks U+0085. */
const gpt2Pattern =
  "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+".replaceAll(
    /\\(s)/gi,
    (_, letter: string) => `\\${letter === 's' ? 'p' : 'P'}{White_Space}`,
  );

const splitAt = (pattern: string) => ({
  type: 'Split',
  pattern: { Regex: pattern },
  behavior: 'Isolated',
  invert: false,
});

/**
 * `Digits` splits at every Unicode number (½, ٣) and not at 0–9 alone; `ByteLevel`'s own pattern goes by Unicode's
 * white space. The same rules as patterns.
 */
function mendPreTokenizer(entry: unknown): unknown {
  if (entry === null || typeof entry !== 'object') return entry;
  const settings = entry as Record<string, unknown>;
  switch (settings.type) {
    case 'Sequence':
      return Array.isArray(settings.pretokenizers)
        ? { ...settings, pretokenizers: settings.pretokenizers.map(mendPreTokenizer) }
        : entry;
    case 'Digits':
      return splitAt(settings.individual_digits === true ? '\\p{N}' : '\\p{N}+');
    case 'ByteLevel':
      // With a prefix space the order matters, and the pattern stays the library's.
      return settings.use_regex === false || settings.add_prefix_space === true
        ? entry
        : { type: 'Sequence', pretokenizers: [splitAt(gpt2Pattern), { ...settings, use_regex: false }] };
    default:
      return entry;
  }
}

interface DecoderStep {
  readonly config?: { readonly type?: unknown };
  readonly decoders?: readonly DecoderStep[];
  text_decoder?: unknown;
}

/** Bytes that are no UTF-8 become one U+FFFD each, and a byte-order mark is kept. */
function mendByteFallback(step: DecoderStep | null): void {
  for (const inner of step?.decoders ?? []) mendByteFallback(inner);
  if (step?.config?.type !== 'ByteFallback') return;
  const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const decode = (bytes: Uint8Array) => {
    try {
      return strict.decode(bytes);
    } catch {
      return '\ufffd'.repeat(bytes.length);
    }
  };
  step.text_decoder = { decode };
}
