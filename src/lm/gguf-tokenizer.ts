import { AuditError } from '../errors.ts';
import type { GgufMetadata } from './gguf-metadata.ts';
import { boundaries } from './gguf-special-tokens.ts';
import { type WordRule, wordRules } from './gguf-words.ts';

/**
 * tokenizer.json from the metadata of a GGUF file. Source: transformers'
 * `integrations/gguf/gguf_tokenizer_mapping.py` and llama.cpp's `llama-vocab.cpp`.
 */

type Json = Record<string, unknown>;

/** `tokenizer.ggml.token_type`. */
const kind = { unknown: 2, control: 3, userDefined: 4, unused: 5 } as const;
/** Rows of the embedding without a token, as the converter names them. */
const padding = /^\[PAD\d+\]$/;
const space = '▁';

interface Vocabulary {
  readonly path: string;
  readonly tokens: readonly string[];
  readonly types: readonly number[];
}

const wrong = (path: string, message: string) =>
  new AuditError('model', `${path}: ${message}`, { hint: 'the file may be damaged: fetch it again' });

function unsupported(path: string, message: string, names: readonly string[]): AuditError {
  return new AuditError('unsupported', `${path}: ${message}`, {
    hint: `choose a model whose tokenizer is one of these: ${names.join(', ')}`,
  });
}

function vocabularyOf(metadata: GgufMetadata): Vocabulary {
  const tokens = metadata.texts('tokenizer.ggml.tokens');
  if (!tokens) throw wrong(metadata.path, 'no tokenizer (tokenizer.ggml.tokens)');
  const types = metadata.numbers('tokenizer.ggml.token_type') ?? tokens.map(() => 1);
  if (types.length !== tokens.length)
    throw wrong(metadata.path, `${tokens.length} tokens, but ${types.length} token types`);
  return { path: metadata.path, tokens, types };
}

/** @throws AuditError `model` when the metadata are damaged, `unsupported` naming a tokenizer that is not read. */
export function ggufTokenizer(metadata: GgufMetadata): Json {
  const vocabulary = vocabularyOf(metadata);
  const model = metadata.text('tokenizer.ggml.model') ?? 'not there';
  if (model === 'gpt2') return byteLevel(metadata, vocabulary, wordRuleOf(metadata));
  if (model === 'llama') return sentencePiece(metadata, vocabulary);
  throw unsupported(metadata.path, `tokenizer.ggml.model is ${model}`, ['gpt2', 'llama']);
}

function wordRuleOf(metadata: GgufMetadata): WordRule {
  const pre = metadata.text('tokenizer.ggml.pre');
  if (pre !== null && Object.hasOwn(wordRules, pre)) return wordRules[pre]!;
  const what = pre === null ? 'not there: the file is of an old converter' : pre;
  throw unsupported(metadata.path, `tokenizer.ggml.pre is ${what}`, Object.keys(wordRules));
}

function byteLevel(metadata: GgufMetadata, vocabulary: Vocabulary, rule: WordRule): Json {
  const { path, tokens } = vocabulary;
  const merges = metadata.texts('tokenizer.ggml.merges')?.map((merge) => {
    const pair = merge.split(' ');
    if (pair.length !== 2) throw wrong(path, `${JSON.stringify(merge)} is no pair of tokens to merge`);
    return pair;
  });
  if (!merges) throw wrong(path, 'no merges (tokenizer.ggml.merges)');
  const bytes = {
    type: 'ByteLevel',
    add_prefix_space: false,
    trim_offsets: true,
    use_regex: rule.pattern === null,
  };
  const cut = rule.pattern ?? (rule.digits ? String.raw`\p{N}` : null);
  const split = { type: 'Split', pattern: { Regex: cut }, behavior: 'Isolated', invert: false };
  return {
    ...whole(metadata, vocabulary, kind.control),
    normalizer: rule.composed ? { type: 'NFC' } : null,
    pre_tokenizer: cut === null ? bytes : { type: 'Sequence', pretokenizers: [split, bytes] },
    decoder: { ...bytes, add_prefix_space: true, use_regex: true },
    model: { ...bpe(vocabulary, tokens, merges), ignore_merges: rule.ignoreMerges === true },
  };
}

/** Gemma's tokens of spaces are spelled with spaces, while all others have ▁, and its scores do not tell the order of merges. */
function sentencePiece(metadata: GgufMetadata, vocabulary: Vocabulary): Json {
  const { path } = vocabulary;
  const gemma = /^gemma/.test(metadata.text('general.architecture') ?? '');
  const tokens = gemma
    ? vocabulary.tokens.map((token) => (/^ +$/.test(token) ? space.repeat(token.length) : token))
    : vocabulary.tokens;
  const scores = gemma ? tokens.map((_, id) => -id) : metadata.numbers('tokenizer.ggml.scores');
  if (scores?.length !== tokens.length)
    throw wrong(path, `${tokens.length} tokens, but ${scores?.length ?? 0} scores`);
  const prefix = metadata.flag('tokenizer.ggml.add_space_prefix') ?? true;
  const replace = { type: 'Replace', pattern: { String: ' ' }, content: space };
  const back = { type: 'Replace', pattern: { String: space }, content: ' ' };
  const decoders = [back, { type: 'ByteFallback' }, { type: 'Fuse' }];
  return {
    ...whole(metadata, { ...vocabulary, tokens }, kind.unknown),
    normalizer: prefix
      ? { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: space }, replace] }
      : replace,
    pre_tokenizer: null,
    decoder: {
      type: 'Sequence',
      decoders: prefix ? [...decoders, { type: 'Strip', content: ' ', start: 1, stop: 0 }] : decoders,
    },
    model: {
      ...bpe(vocabulary, tokens, mergesOf(tokens, scores)),
      unk_token: tokens[metadata.number('tokenizer.ggml.unknown_token_id') ?? 0],
      fuse_unk: true,
      byte_fallback: true,
      ignore_merges: false,
    },
  };
}

function bpe(
  vocabulary: Vocabulary,
  tokens: readonly string[],
  merges: readonly (readonly string[])[],
): Json {
  const vocab: Record<string, number> = Object.create(null); // a token may be called __proto__
  for (const [id, token] of tokens.entries()) if (!isPadding(vocabulary, id)) vocab[token] = id;
  return {
    type: 'BPE',
    dropout: null,
    unk_token: null,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: false,
    byte_fallback: false,
    vocab,
    merges,
  };
}

const isPadding = ({ tokens, types }: Vocabulary, id: number) =>
  types[id] === kind.unused && padding.test(tokens[id]!);

/**
 * The merges that a SentencePiece vocabulary implies: every cut of a token into two tokens, the best-scored token first,
 * ordered as transformers' `generate_merges` does (lengths in code points; equals stay in the order of the tokens).
 */
function mergesOf(tokens: readonly string[], scores: readonly number[]): (readonly [string, string])[] {
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const merges: { pair: readonly [string, string]; score: number; left: number; right: number }[] = [];
  for (const [token, id] of ids) {
    let length = 0; // in code points
    const cuts: { left: string; right: string; length: number }[] = [];
    for (let at = 0; at < token.length; at += token.codePointAt(at)! > 0xffff ? 2 : 1, length++) {
      const left = at === 0 ? '' : token.slice(0, at);
      if (!ids.has(left)) continue;
      const right = token.slice(at);
      if (at > 0 && ids.has(right)) cuts.push({ left, right, length });
    }
    for (const { left, right, length: size } of cuts)
      merges.push({ pair: [left, right], score: scores[id]!, left: size, right: length - size });
  }
  merges.sort((x, y) => y.score - x.score || y.left - x.left || y.right - x.right);
  return merges.map(({ pair }) => pair);
}

/** What both kinds share; `least` is the lowest token type that is found whole in a text. */
function whole(metadata: GgufMetadata, { tokens, types }: Vocabulary, least: number): Json {
  const phi3 =
    metadata.text('general.architecture') === 'phi3' && metadata.text('tokenizer.ggml.model') === 'llama';
  const added = [...tokens.entries()].filter(
    ([id, token]) => types[id]! >= least && types[id]! <= kind.userDefined && !/^▁+$/.test(token),
  );
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: added.map(([id, content]) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      // Phi-3's take the space after them, which its tokenizer.json says and the metadata do not.
      rstrip: phi3 && types[id] === kind.control && !['<s>', '<|endoftext|>'].includes(content),
      normalized: false,
      special: types[id] !== kind.userDefined,
    })),
    post_processor: postProcessor(metadata, tokens),
  };
}

function postProcessor(metadata: GgufMetadata, tokens: readonly string[]): Json {
  const { bos, eos } = boundaries(metadata);
  const ends = [bos, eos].map((id) =>
    id === null ? [] : [{ SpecialToken: { id: tokens[id], type_id: 0 } }],
  );
  const around = (id: string) => [...ends[0]!, { Sequence: { id, type_id: 0 } }, ...ends[1]!];
  const special = [bos, eos].flatMap((id) =>
    id === null ? [] : [[tokens[id], { id: tokens[id], ids: [id], tokens: [tokens[id]] }]],
  );
  return {
    type: 'TemplateProcessing',
    single: around('A'),
    pair: [...around('A'), ...around('B')],
    special_tokens: Object.fromEntries(special),
  };
}
