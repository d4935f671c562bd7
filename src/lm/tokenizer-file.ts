import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Tokenizer } from '@huggingface/tokenizers';
import { AuditError } from '../errors.ts';
import { type AddedToken, createSplitter } from './added-tokens.ts';
import { type ModelFolder, readModelJson } from './model-folder.ts';

/** tokenizer.json, read. Its functions throw AuditError `model` where the file makes the library fail only as it is used. */
export interface TokenizerFile {
  readonly library: Tokenizer;
  /** Adds no special tokens; those written in the text are found. */
  encode(text: string): number[];
  /** With the special tokens that the file's post-processor adds. */
  encodeWhole(text: string): number[];
  decode: Tokenizer['decode'];
}

/**
 * Reads tokenizer.json into @huggingface/tokenizers, mended where that differs from the reference, the Python package
 * tokenizers, on random strings (scripts/parity/compare_tokenizers.py).
 * @throws AuditError `model` when the file is missing or malformed.
 */
export function loadTokenizer(folder: ModelFolder, settings: object): TokenizerFile {
  const path = join(folder.path, 'tokenizer.json');
  const json = readModelJson(folder, 'tokenizer.json');
  if (!json) {
    const hint = existsSync(join(folder.path, 'tokenizer.model'))
      ? 'only tokenizer.json is read: AutoTokenizer.from_pretrained(…).save_pretrained(…) of transformers makes it from tokenizer.model'
      : 'the model may be half-downloaded: fetch tokenizer.json too';
    throw new AuditError('model', `${path}: no such file`, { hint });
  }
  const unusable = (error: unknown) =>
    new AuditError('model', `${path}: cannot be used: ${(error as Error).message}`, {
      hint: 'fetch the file again, or save the tokenizer with a current transformers',
      cause: error,
    });
  const guarded =
    <A extends unknown[], R>(run: (...given: A) => R) =>
    (...given: A): R => {
      try {
        return run(...given);
      } catch (error) {
        throw unusable(error);
      }
    };
  return guarded(() => {
    const added = json.added_tokens as AddedToken[];
    refuseIds(json);
    const file = {
      ...json,
      pre_tokenizer: mendDigits(json.pre_tokenizer),
      added_tokens: added.map(keepThinking),
    };
    const library = new Tokenizer(file, settings);
    mendByteLevel(library.pre_tokenizer as Stage | null);
    mendByteFallback(library.decoder as Stage | null);
    return {
      library,
      encode: guarded(createEncode(library as unknown as Stages, added)),
      encodeWhole: guarded((text: string) => library.encode(text, { add_special_tokens: true }).ids),
      decode: guarded(library.decode.bind(library)),
    };
  })();
}

/** No tokenizer has a tenth as many tokens; the library makes a table as long as the largest id. */
const mostIds = 2 ** 22;

/** @throws Error naming the first token whose id is none. */
function refuseIds({ model, added_tokens: added }: Record<string, unknown>): void {
  const { vocab = {} } = (model ?? {}) as { vocab?: unknown };
  const named = Array.isArray(vocab) ? [] : Object.entries(vocab as object);
  const ids = [...named, ...(added as AddedToken[]).map(({ content, id }) => [content, id] as const)];
  for (const [token, id] of ids)
    if (!Number.isInteger(id) || id < 0 || id >= mostIds)
      throw new Error(`the id of ${JSON.stringify(token).slice(0, 40)} is ${String(id).slice(0, 40)}`);
}

/** The tags of thinking stay in decoded text also where a model has them as special tokens: what they enclose is split off. */
const keepThinking = (token: AddedToken): AddedToken =>
  ['<think>', '</think>'].includes(token.content) ? { ...token, special: false } : token;

/** The library's stages of encoding. */
interface Stages {
  readonly normalizer: ((text: string) => string) | null;
  readonly pre_tokenizer: ((text: string, at: { readonly section_index: number }) => string[]) | null;
  readonly model: ((words: readonly string[]) => string[]) & {
    readonly tokens_to_ids: ReadonlyMap<string, number>;
    readonly unk_token_id?: number;
  };
}

/** The library's own `encode`, but for added tokens: it ignores `single_word` and goes by JavaScript's white space. */
function createEncode({ normalizer, pre_tokenizer, model }: Stages, added: readonly AddedToken[]) {
  const normalize = (text: string) => (normalizer ? normalizer(text) : text);
  const isNormalized = ({ normalized, special }: AddedToken) => normalized ?? !special;
  const splitRaw = createSplitter(
    added.filter((token) => !isNormalized(token)),
    ({ content }) => content,
  );
  const splitNormalized = createSplitter(added.filter(isNormalized), ({ content }) => normalize(content));
  const encodeWords = (text: string, first: boolean): number[] => {
    const words = pre_tokenizer ? pre_tokenizer(text, { section_index: first ? 0 : 1 }) : [text];
    return model(words).flatMap((token) => model.tokens_to_ids.get(token) ?? model.unk_token_id ?? []);
  };
  return (text: string): number[] =>
    splitRaw(text).flatMap((section, at) =>
      typeof section === 'number'
        ? section
        : splitNormalized(normalize(section)).flatMap((piece, inner) =>
            typeof piece === 'number' ? piece : encodeWords(piece, at + inner === 0),
          ),
    );
}

/** `Digits` splits at every Unicode number (½, ٣) and not at 0–9 alone: the same rule as a pattern. */
function mendDigits(entry: unknown): unknown {
  if (entry === null || typeof entry !== 'object') return entry;
  const { type, pretokenizers, individual_digits: individual } = entry as Record<string, unknown>;
  if (type === 'Sequence' && Array.isArray(pretokenizers))
    return { ...entry, pretokenizers: pretokenizers.map(mendDigits) };
  if (type !== 'Digits') return entry;
  return {
    type: 'Split',
    pattern: { Regex: individual === true ? '\\p{N}' : '\\p{N}+' },
    behavior: 'Isolated',
    invert: false,
  };
}

/** A stage of the library's, or a sequence of such. */
interface Stage {
  readonly config?: { readonly type?: unknown };
  readonly tokenizers?: readonly Stage[];
  readonly decoders?: readonly Stage[];
  pattern?: RegExp;
  text_decoder?: unknown;
}

/** GPT-2's pattern goes by Unicode's white space; JavaScript's \s holds U+FEFF and lacks U+0085. */
function mendByteLevel(stage: Stage | null): void {
  for (const inner of stage?.tokenizers ?? []) mendByteLevel(inner);
  if (stage?.config?.type !== 'ByteLevel') return;
  const source = stage
    .pattern!.source.replaceAll('\\s', '\\p{White_Space}')
    .replaceAll('\\S', '\\P{White_Space}');
  stage.pattern = new RegExp(source, 'gu');
}

/** Bytes that are no UTF-8 become one U+FFFD each, and a byte-order mark is kept. */
function mendByteFallback(stage: Stage | null): void {
  for (const inner of stage?.decoders ?? []) mendByteFallback(inner);
  if (stage?.config?.type !== 'ByteFallback') return;
  const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const decode = (bytes: Uint8Array) => {
    try {
      return strict.decode(bytes);
    } catch {
      return '\ufffd'.repeat(bytes.length);
    }
  };
  stage.text_decoder = { decode };
}
