import { AuditError } from '../errors.ts';
import type { GgufMetadata } from './gguf-metadata.ts';
import { wordRules } from './gguf-words.ts';

/** tokenizer_config.json and generation_config.json from the metadata of a GGUF file. */

type Json = Record<string, unknown>;

/** Which tokens a plain encoding puts at both ends. */
export function boundaries(metadata: GgufMetadata): { bos: number | null; eos: number | null } {
  const sentencePiece = metadata.text('tokenizer.ggml.model') === 'llama';
  const rule = wordRules[metadata.text('tokenizer.ggml.pre') ?? ''];
  const addBos = metadata.flag('tokenizer.ggml.add_bos_token') ?? (sentencePiece || rule?.addBos === true);
  const addEos = metadata.flag('tokenizer.ggml.add_eos_token') ?? false;
  const id = (name: string) => tokenId(metadata, name);
  return { bos: addBos ? id('bos') : null, eos: addEos ? id('eos') : null };
}

/** A special token's id. @throws AuditError `model` when the vocabulary has no such token. */
function tokenId(metadata: GgufMetadata, name: string): number | null {
  const id = metadata.number(`tokenizer.ggml.${name}_token_id`);
  const tokens = metadata.texts('tokenizer.ggml.tokens');
  if (id === null || !tokens || tokens[id] !== undefined) return id;
  throw new AuditError(
    'model',
    `${metadata.path}: tokenizer.ggml.${name}_token_id is ${id}, which is no token`,
    {
      hint: 'the file may be damaged: fetch it again',
    },
  );
}

export function ggufTokenizerConfig(metadata: GgufMetadata): Json {
  const tokens = metadata.texts('tokenizer.ggml.tokens') ?? [];
  const { bos, eos } = boundaries(metadata);
  const names = { bos_token: 'bos', eos_token: 'eos', unk_token: 'unknown', pad_token: 'padding' };
  const special = Object.entries(names).flatMap(([name, key]) => {
    const id = tokenId(metadata, key);
    return id === null ? [] : [[name, tokens[id]]];
  });
  const template = metadata.text('tokenizer.chat_template');
  return {
    tokenizer_class: 'PreTrainedTokenizerFast',
    clean_up_tokenization_spaces: false,
    add_bos_token: bos !== null,
    add_eos_token: eos !== null,
    ...Object.fromEntries(special),
    ...(template === null ? {} : { chat_template: template }),
  };
}

/** End-of-turn tokens by the names they have in chat templates; files do not always say their ids. */
const endsOfTurn = ['<|eot_id|>', '<|im_end|>', '<|end|>', '<end_of_turn>'];

/** generation_config.json: where an answer ends. */
export function ggufGenerationConfig(metadata: GgufMetadata): Json {
  const tokens = metadata.texts('tokenizer.ggml.tokens') ?? [];
  const template = metadata.text('tokenizer.chat_template') ?? '';
  const named = endsOfTurn.filter((token) => template.includes(token)).map((token) => tokens.indexOf(token));
  const stated = ['eos', 'eot', 'eom'].map((name) => tokenId(metadata, name));
  const ends = [...new Set([...stated, ...named])].filter((id) => id !== null && id >= 0);
  return {
    bos_token_id: tokenId(metadata, 'bos'),
    eos_token_id: ends.length > 1 ? ends : (ends[0] ?? null),
    pad_token_id: tokenId(metadata, 'padding'),
  };
}
