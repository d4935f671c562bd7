import type { Tokenizer } from '@huggingface/tokenizers';
import { type Conversation, templateDate } from '../conversation.ts';
import { AuditError } from '../errors.ts';
import { sha256Json } from '../hash.ts';
import { type ChatEncoding, type LabelledTokens, labelAnswer } from './answer-labels.ts';
import { loadChatTemplate, type RenderedChat } from './chat-template.ts';
import { readEosTokenIds } from './config.ts';
import { type ModelFolder, type ModelSource, modelFolder, readModelJson } from './model-folder.ts';
import { tokenBytes } from './token-bytes.ts';
import { loadTokenizer } from './tokenizer-file.ts';

/** A tokenizer with its chat template. */
export interface ChatTokenizer {
  /** SHA-256 over everything that decides what the model reads and where it stops. */
  sha256(): string;
  /** Adds no special tokens; those written in the text are recognised, as transformers does for a rendered template. */
  encode(text: string): number[];
  /** Special tokens are left out unless told otherwise, ids without a token (embedding padding) too. */
  decode(ids: readonly number[], options?: { readonly skipSpecial: boolean }): string;
  /** The text of one token, special ones included; an incomplete UTF-8 sequence becomes U+FFFD. */
  tokenText(id: number): string;
  /** The bytes of one token, also of a piece of a character; null where the vocabulary does not tell them. */
  tokenBytes(id: number): readonly number[] | null;
  /** With the BOS in front where the tokenizer adds one by itself and the text has none. */
  withBos(text: string): string;
  /** The BOS as text, whoever writes it; '' for a tokenizer without one. */
  readonly bos: string;
  /** The chat template as it is written. */
  readonly template: string;
  /** Largest token id + 1. */
  readonly vocabularySize: number;
  /** End-of-turn tokens: the tokenizer's own and those of generation_config.json. */
  readonly eosTokenIds: readonly number[];
  readonly padTokenId: number;
  /**
   * With exactly one BOS where the template or the tokenizer wants one.
   * @throws AuditError `model` when the template refuses the conversation.
   */
  render(messages: Conversation, options: { readonly addGenerationPrompt: boolean }): string;
  /**
   * Labels the last assistant message and its end-of-turn token, nothing else: what the template marks with
   * {% generation %}, as transformers' assistant mask, or else what it adds to the prompt.
   * @throws AuditError `model` when the template does not let them be told apart.
   */
  encodeForTraining(messages: Conversation): LabelledTokens;
}

export interface ChatTokenizerOptions {
  /** An adapter folder, whose chat template wins when it has one. */
  readonly templateDirectory?: string;
  /** Rows of the embedding the ids must fit. */
  readonly vocabularySize?: number;
  /** The template's `enable_thinking`; null: its own default. */
  readonly enableThinking?: boolean | null;
}

/**
 * Loads tokenizer.json, tokenizer_config.json and the chat template of a model.
 * @throws AuditError `model` when a file is missing or malformed or the tokenizer does not fit.
 */
export function loadChatTokenizer(source: ModelSource, options: ChatTokenizerOptions = {}): ChatTokenizer {
  const folder = modelFolder(source);
  const directory = folder.path;
  const { enableThinking = null } = options;
  const settings = readModelJson(folder, 'tokenizer_config.json') ?? {};
  const { library: tokenizer, encode, encodeWhole, decode } = loadTokenizer(folder, settings);
  const special = readSpecialTokens(folder, settings);
  const template = loadChatTemplate(folder, options.templateDirectory, special);
  const vocabularySize = largestId(tokenizer) + 1;
  const eosTokenIds = readEndOfTurn(folder, tokenizer, special);
  checkFit(directory, vocabularySize, eosTokenIds, options.vocabularySize);

  const decodeWith = (ids: readonly number[], skipSpecial: boolean) => {
    const known = ids.filter((id) => tokenizer.id_to_token(id) !== undefined);
    const cleanUp = settings.clean_up_tokenization_spaces === true;
    return known.length === 0
      ? ''
      : decode(known, { skip_special_tokens: skipSpecial, clean_up_tokenization_spaces: cleanUp });
  };
  const bos = addsBos(tokenizer, encodeWhole, settings, special) ? special.bos_token! : '';
  const render: ChatEncoding['render'] = (messages, { addGenerationPrompt }) =>
    withBos(bos, template.render(messages, { addGenerationPrompt, enableThinking }));
  const tokenText = createTokenText(encode, (ids) => decodeWith(ids, false));
  return {
    sha256: () =>
      sha256Json([
        folder.text('tokenizer.json'),
        special,
        template.source,
        eosTokenIds,
        templateDate,
        enableThinking,
        bos,
        ...(settings.clean_up_tokenization_spaces === true ? ['clean up'] : []),
      ]),
    encode,
    decode: (ids, { skipSpecial } = { skipSpecial: true }) => decodeWith(ids, skipSpecial),
    tokenText,
    tokenBytes: (id) => tokenBytes(tokenizer.id_to_token(id), tokenText(id)),
    withBos: (text) => withBos(bos, { text, generated: [] }).text,
    bos: special.bos_token ?? '',
    template: template.source,
    vocabularySize,
    eosTokenIds,
    padTokenId: tokenizer.token_to_id(special.pad_token ?? '') ?? eosTokenIds[0] ?? 0,
    render: (messages, options) => render(messages, options).text,
    encodeForTraining: (messages) => labelOrRefuse(directory, messages, { render, encode, eosTokenIds }),
  };
}

/** The named special tokens: of tokenizer_config.json, else of special_tokens_map.json (older exports). */
function readSpecialTokens(folder: ModelFolder, settings: Record<string, unknown>): Record<string, string> {
  const older = readModelJson(folder, 'special_tokens_map.json') ?? {};
  const tokens: Record<string, string> = {};
  for (const name of ['bos_token', 'eos_token', 'unk_token', 'pad_token']) {
    const value = settings[name] ?? older[name];
    const content =
      typeof value === 'string' ? value : (value as { content?: unknown } | null | undefined)?.content;
    if (typeof content === 'string') tokens[name] = content;
  }
  return tokens;
}

function largestId(tokenizer: Tokenizer): number {
  let largest = -1;
  for (const id of tokenizer.get_vocab(true).values()) if (id > largest) largest = id;
  return largest;
}

function readEndOfTurn(folder: ModelFolder, tokenizer: Tokenizer, special: Record<string, string>): number[] {
  const own = tokenizer.token_to_id(special.eos_token ?? '');
  return [...new Set([...(own === undefined ? [] : [own]), ...readEosTokenIds(folder)])];
}

function checkFit(
  directory: string,
  vocabularySize: number,
  eosTokenIds: readonly number[],
  rows: number | undefined,
): void {
  const problems: string[] = [];
  if (rows !== undefined && vocabularySize > rows)
    problems.push(`token ids go up to ${vocabularySize - 1}, the embedding has ${rows} rows`);
  for (const id of eosTokenIds)
    if (id >= vocabularySize)
      problems.push(`end-of-turn id ${id} is not a token: ids go up to ${vocabularySize - 1}`);
  if (problems.length > 0) {
    throw new AuditError('model', `${directory}: the tokenizer does not fit the model`, {
      problems,
      hint: 'tokenizer.json, config.json and generation_config.json must come from the same checkpoint: fetch them again',
    });
  }
}

/** A token's text as it reads after other text: decoders drop the space in front of a first token. */
function createTokenText(
  encode: (text: string) => number[],
  decode: (ids: readonly number[]) => string,
): (id: number) => string {
  const before = encode('a');
  const prefix = decode(before);
  const cache = new Map<number, string>();
  return (id) => {
    let text = cache.get(id);
    if (text === undefined) {
      const whole = decode([...before, id]);
      text = whole.startsWith(prefix) ? whole.slice(prefix.length) : decode([id]);
      cache.set(id, text);
    }
    return text;
  };
}

/** Whether the tokenizer puts a BOS in front of a text by itself: tokenizer_config.json's word, else the post-processor's. */
function addsBos(
  tokenizer: Tokenizer,
  encode: (text: string) => number[],
  settings: Record<string, unknown>,
  { bos_token: bos }: Record<string, string>,
): boolean {
  const id = bos === undefined ? undefined : tokenizer.token_to_id(bos);
  if (id === undefined) return false;
  if (typeof settings.add_bos_token === 'boolean') return settings.add_bos_token;
  return encode('a')[0] === id;
}

/** A template that prints the BOS gets no second one; transformers leaves it out where the template does. */
function withBos(bos: string, { text, generated }: RenderedChat): RenderedChat {
  if (bos === '' || text.startsWith(bos)) return { text, generated };
  return {
    text: bos + text,
    generated: generated.map(([start, end]) => [start + bos.length, end + bos.length] as const),
  };
}

/** @throws AuditError `model` saying why the answer cannot be labelled. */
function labelOrRefuse(directory: string, messages: Conversation, chat: ChatEncoding): LabelledTokens {
  const labels = labelAnswer(messages, chat);
  if (typeof labels === 'object') return labels;
  if (labels === 'prompt rewritten') {
    throw new AuditError(
      'model',
      `${directory}: the chat template writes the conversation before the answer differently once there is an answer, so the answer cannot be told apart`,
      {
        hint: 'put a chat_template.jinja into the folder that only appends the answer to the prompt, or marks it with {% generation %}',
      },
    );
  }
  throw new AuditError(
    'model',
    `${directory}: the chat template does not end the answer with an end-of-turn token, so the model would not learn to stop`,
    { hint: 'add the id of the end-of-turn token to eos_token_id in generation_config.json' },
  );
}
