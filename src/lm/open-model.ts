import { AuditError } from '../errors.ts';
import type {
  AnswerPart,
  ContinuationScore,
  Decoding,
  FirstTokenMass,
  Generation,
  HiddenStates,
  HiddenStatesRequest,
  Prompt,
  PromptText,
  ScoredToken,
} from '../model.ts';
import { type AnswerForm, nameToken, rowSettings, toGeneration, toParts } from './answer.ts';
import type { DecoderConfig } from './config.ts';
import type { AttachedAdapter, Decoder } from './decoder.ts';
import { answerRows, createRow } from './generate.ts';
import { firstTokenMasses, hiddenStatesAt, tokenDistributions, tokenLikelihoods } from './likelihood.ts';
import type { Scheduler } from './scheduler.ts';
import type { ChatTokenizer } from './tokenizer.ts';

/** A base with or without an adapter, and the tokenizer and template that go with it: what can be asked in texts. */
export interface OpenModel {
  readonly config: DecoderConfig;
  readonly decoder: Decoder;
  /** Of all that share the base. */
  readonly scheduler: Scheduler;
  readonly adapter: AttachedAdapter | null;
  readonly tokenizer: ChatTokenizer;
}

/** A prompt as the model reads it: its template up to the answer, and the answer's given beginning. */
export function promptText({ tokenizer }: OpenModel, { messages, prefill = '', raw }: PromptText): string {
  if (typeof raw === 'string') return tokenizer.withBos(raw);
  if (raw) return tokenizer.decode(raw, { skipSpecial: false });
  return tokenizer.render(messages, { addGenerationPrompt: true }) + prefill;
}

function tooLong(what: string, tokens: number, limit: number): AuditError {
  return new AuditError('data', `${what} of ${tokens} tokens does not fit the model's context of ${limit}`, {
    hint: 'shorten or remove the prompt; generation needs at least one free position',
  });
}

/** The ids that a prompt is read as; `bare`: a raw text gets no BOS. @throws AuditError `data` where it gives some that are no tokens. */
export function promptIds(model: OpenModel, prompt: PromptText, bare = false): number[] {
  const { tokenizer } = model;
  const { raw } = prompt;
  if (raw === undefined || typeof raw === 'string')
    return tokenizer.encode(bare && raw !== undefined ? raw : promptText(model, prompt));
  const wrong = raw.find((id) => !Number.isInteger(id) || id < 0 || id >= tokenizer.vocabularySize);
  if (wrong === undefined) return [...raw];
  throw new AuditError('data', `no token has the id ${wrong}: they go up to ${tokenizer.vocabularySize - 1}`);
}

/** The prompt's ids, which must leave room for an answer. */
function askedIds(model: OpenModel, prompt: PromptText): number[] {
  const ids = promptIds(model, prompt);
  if (!ids.length) throw new AuditError('data', 'a prompt without tokens: there is nothing to go on from');
  const limit = model.config.contextLength;
  if (ids.length < limit) return ids;
  throw tooLong('a prompt', ids.length, limit);
}

const formOf = (
  model: OpenModel,
  prompt: PromptText,
  decoding: Decoding,
  ids: readonly number[],
): AnswerForm => ({
  tokenizer: model.tokenizer,
  thinks: promptText(model, prompt).trimEnd().endsWith('<think>'),
  stop: (decoding.stop ?? []).filter((word) => word !== ''),
  prefill: prompt.prefill ?? '',
  promptTokens: ids.length,
});

/** One planned batch. */
export async function generateAnswers(
  model: OpenModel,
  prompts: readonly Prompt[],
  decoding: Decoding,
  signal?: AbortSignal,
): Promise<Generation[]> {
  const ids = prompts.map((prompt) => askedIds(model, prompt));
  const forms = prompts.map((prompt, row) => formOf(model, prompt, decoding, ids[row]!));
  const rows = prompts.map(({ seed }, row) => createRow(rowSettings(decoding, forms[row]!), seed));
  const settings = { invariant: decoding.batchInvariant ?? false };
  const answers = await answerRows(model, rows, ids, settings, signal);
  return answers.map((tokens, row) => toGeneration(forms[row]!, tokens));
}

/** One answer as it comes, in the company of whatever else is being streamed from the same base. */
export async function* streamAnswer(
  model: OpenModel,
  prompt: Prompt,
  decoding: Decoding,
  signal?: AbortSignal,
): AsyncGenerator<AnswerPart> {
  const ids = askedIds(model, prompt);
  const form = formOf(model, prompt, decoding, ids);
  const tokens = model.scheduler.stream({
    adapter: model.adapter,
    ids,
    seed: prompt.seed,
    settings: rowSettings(decoding, form),
    invariant: decoding.batchInvariant ?? false,
    signal,
  });
  yield* toParts(form, tokens);
}

/**
 * A continuation's tokens are those of prompt and continuation encoded together, from the first that the prompt's own
 * encoding does not have: a token that joins the two belongs to the continuation. lm-evaluation-harness gets the same
 * tokens by moving the prompt's last spaces over before it cuts; what is encoded alike either way is not counted here.
 * Source: github.com/EleutherAI/lm-evaluation-harness, `loglikelihood`.
 */
export async function scoreContinuations(
  model: OpenModel,
  prompt: PromptText,
  continuations: readonly string[],
  signal?: AbortSignal,
): Promise<ContinuationScore[]> {
  const { tokenizer, config } = model;
  const text = promptText(model, prompt);
  const before = tokenizer.encode(text);
  const sequences = continuations.map((continuation) => {
    const ids = tokenizer.encode(text + continuation);
    const differs = before.findIndex((id, at) => id !== ids[at]);
    const start = differs < 0 ? before.length : differs;
    if (start >= ids.length) {
      throw new AuditError('data', `a continuation without tokens: ${JSON.stringify(continuation)}`, {
        hint: 'leave it out; the likelihood of nothing is 1',
      });
    }
    if (ids.length > config.contextLength + 1)
      throw tooLong('a prompt with its continuation', ids.length, config.contextLength);
    return { ids, start };
  });
  const found = await tokenLikelihoods(model, sequences, {}, signal);
  return found.map(({ logProbabilities, greedy }, index): ContinuationScore => {
    const { ids, start } = sequences[index]!;
    return {
      logProbability: logProbabilities.reduce((sum, value) => sum + value, 0),
      tokens: logProbabilities.map((logProbability, at) => {
        const id = ids[start + at]!;
        return { id, text: tokenizer.tokenText(id), logProbability };
      }),
      greedy,
    };
  });
}

/** Every token of given prompts, and the `top` likeliest at its place. */
export async function scoreTokens(
  model: OpenModel,
  prompts: readonly PromptText[],
  top: number,
  signal?: AbortSignal,
): Promise<ScoredToken[][]> {
  const { tokenizer, config } = model;
  const sequences = prompts.map((prompt) => promptIds(model, prompt));
  for (const ids of sequences) {
    if (!ids.length) throw new AuditError('data', 'a prompt without tokens: there is nothing to score');
    if (ids.length > config.contextLength) throw tooLong('a prompt', ids.length, config.contextLength);
  }
  const found = await tokenDistributions(model, sequences, top, signal);
  return sequences.map((ids, row) =>
    ids.map((id, at): ScoredToken => {
      const given = at > 0 ? found[row]![at - 1]! : { logProbability: null, rank: null, top: [] };
      return {
        ...{ id, text: tokenizer.tokenText(id), bytes: tokenizer.tokenBytes(id) },
        ...{ logProbability: given.logProbability, rank: given.rank },
        top: given.top.map((one) => nameToken(tokenizer, one)),
      };
    }),
  );
}

/** A text as the texts of its tokens: of a character that several tokens share, the last one has all. */
export function tokenTexts({ tokenizer }: OpenModel, text: string): string[] {
  const ids = tokenizer.encode(text);
  let before = '';
  return ids.map((_, at) => {
    const certain = tokenizer.decode(ids.slice(0, at + 1)).replace(/\uFFFD+$/, '');
    const own = certain.slice(before.length);
    before = certain;
    return own;
  });
}

export async function firstTokenMass(
  model: OpenModel,
  prompts: readonly PromptText[],
  tokenIds: readonly number[],
  signal?: AbortSignal,
): Promise<FirstTokenMass[]> {
  const ids = prompts.map((prompt) => askedIds(model, prompt));
  return firstTokenMasses(model, ids, tokenIds, signal);
}

export async function hiddenStates(
  model: OpenModel,
  prompts: readonly PromptText[],
  { layer, positions }: HiddenStatesRequest,
  signal?: AbortSignal,
): Promise<HiddenStates[]> {
  const { layers, hiddenSize: width } = model.config;
  if (!Number.isInteger(layer) || layer < 0 || layer > layers)
    throw new AuditError('config', `no layer ${layer}: the model has layers 0 (embeddings) to ${layers}`);
  const ids = prompts.map((prompt) => askedIds(model, prompt));
  const states = await hiddenStatesAt(model, ids, layer, positions, signal);
  return states.map((data) => ({ positions: data.length / width, width, data }));
}
