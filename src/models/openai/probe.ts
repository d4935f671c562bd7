import { AuditError } from '../../errors.ts';
import { tokenCounter } from '../../lm/token-count.ts';
import type { ChatTokenizer } from '../../lm/tokenizer.ts';
import type { Decoding, Prompt } from '../../model.ts';
import type { Scoring, ServerCapabilities } from '../../server-record.ts';
import { type ChatAnswer, type ChatSettings, chatRequest, mostTopLogprobs, readChatAnswer } from './chat.ts';
import { quarterOfCharacters } from './chat-model.ts';
import type { Reply } from './connection.ts';
import { readPromptLogprobs } from './likelihood.ts';
import type { Pool } from './pool.ts';
import { scoreAnswers } from './scoring.ts';
import { tokenTexts } from './tokenizer.ts';
import type { ServerPosition } from './tokens.ts';

/** What a server can do, by trying: documentation differs from build to build. */

export interface Probed {
  readonly capabilities: Omit<ServerCapabilities, 'contextLength'>;
  readonly systemFingerprint: string | null;
}

const words = 'one two three four five six';
const prompt: Prompt = { messages: [{ role: 'user', content: 'Count from one to ten.' }], seed: 7 };
/** A guard's template may take nothing but a prompt with its answer. */
export const answeredPrompt: Prompt = {
  messages: [...prompt.messages, { role: 'assistant', content: 'One, two, three.' }],
  seed: 7,
};
const shortest: Decoding = { maxTokens: 1, temperature: 0, topP: 1, seed: 7 };
const sampled: Decoding = { maxTokens: 16, temperature: 1, topP: 1, seed: 7 };
/** Words that call for more of the same: a server that punishes repetition leaves the likeliest token there. */
const repeating: Prompt = {
  messages: [{ role: 'user', content: `Write out: ${Array(24).fill('b').join(' ')}` }],
  seed: 7,
};
const longer: Decoding = { ...shortest, maxTokens: 32, topLogProbabilities: 1 };

/** A status by which a server says that it does not do what it was asked, not that it is out of order. */
const isNo = ({ status }: Reply) =>
  status >= 400 && ![401, 403, 404, 408, 429, 502, 503, 504].includes(status);

export interface ProbeSettings {
  readonly model: string;
  /** Whether log-probabilities are wanted at all. */
  readonly logprobs: boolean;
  readonly enableThinking: boolean | null;
  /** Of the model's weights, where they are here. */
  readonly tokenizer: ChatTokenizer | null;
}

type Chat = (settings: ChatSettings, asked: Prompt, decoding: Decoding) => Promise<ChatAnswer | null>;

interface ProbedChat {
  /** How a model there is asked. */
  readonly settings: ChatSettings;
  readonly first: ChatAnswer;
  /** A whole body; '' where the server says no. */
  readonly ask: (body: object) => Promise<string>;
  readonly chat: Chat;
}

/**
 * How many log-probabilities a server gives and what it does not take: a handful of short questions.
 * @throws AuditError `network`, `config`, `model` or `data` where even a plain question gets no answer.
 */
export async function probeChat(
  pool: Pool,
  { model, logprobs, enableThinking }: Omit<ProbeSettings, 'tokenizer'>,
  signal?: AbortSignal,
  plainQuestion = prompt,
): Promise<ProbedChat> {
  const bare: ChatSettings = { model, topLogProbabilities: null, enableThinking, prefill: null };
  const question = { path: 'chat/completions', name: model };
  const ask = (body: object) =>
    pool.ask(
      { ...question, body, read: (text) => text, accept: (reply) => (isNo(reply) ? '' : null) },
      signal,
    );
  const chat: Chat = async (settings, asked, decoding) =>
    readChatAnswer(await ask(chatRequest(settings, asked, decoding)));
  const body = chatRequest(bare, plainQuestion, shortest);
  const first = await pool.ask({ ...question, body, read: readChatAnswer }, signal);
  const dialect = await dialectOf(chat, bare, first, plainQuestion);
  const plain: ChatSettings = { ...bare, ...(dialect && { dialect }) };
  const topLogProbabilities = logprobs ? await largestTop(chat, plain, plainQuestion) : null;
  return { settings: { ...plain, topLogProbabilities }, first, ask, chat };
}

/**
 * Tries all that an audited model needs: a dozen short questions.
 * @throws AuditError as `probeChat`.
 */
export async function probe(pool: Pool, wanted: ProbeSettings, signal?: AbortSignal): Promise<Probed> {
  const { model, tokenizer } = wanted;
  const probed = await probeChat(pool, wanted, signal);
  const { settings, first, ask, chat } = probed;
  const { topLogProbabilities, dialect } = settings;
  const plain: ChatSettings = { ...settings, topLogProbabilities: null };
  const prefill = await prefillForm(probed);
  const seeds = [await chat(plain, prompt, sampled), await chat(plain, prompt, sampled)];
  const scored = await ask({
    ...chatRequest({ ...plain, prefill }, { ...prompt, ...(prefill && { prefill: words }) }, shortest),
    prompt_logprobs: 0,
  });
  const inChat = prefill !== null && readPromptLogprobs(scored) !== null;
  const scoring = inChat ? 'prompt_logprobs' : await echoForm(pool, chat, settings, tokenizer);
  return {
    capabilities: {
      topLogProbabilities,
      prefill,
      likelihood: scoring !== null,
      ...(scoring && { scoring }),
      tokenizer: await tokenizerKind(pool, model),
      ...(dialect && { dialect }),
      ...(!(await isGreedy(chat, settings)) && { greedy: false as const }),
      seedRepeats: seeds[0] && seeds[1] ? seeds[0].text === seeds[1].text : null,
    },
    systemFingerprint: first.systemFingerprint,
  };
}

/** Ollama says who it is; TGI is told by what it refuses. */
async function dialectOf(
  chat: Chat,
  settings: ChatSettings,
  { systemFingerprint }: ChatAnswer,
  asked: Prompt,
): Promise<ServerCapabilities['dialect'] | null> {
  if (systemFingerprint === 'fp_ollama') return 'ollama';
  if (await chat(settings, asked, sampled)) return null;
  return (await chat({ ...settings, dialect: 'tgi' }, asked, sampled)) ? 'tgi' : null;
}

/**
 * Whether an answer at temperature 0 is made of the likeliest tokens, as far as the server shows: a penalty that it
 * applies by itself (Ollama's `repeat_penalty`) puts others in their place.
 */
async function isGreedy(chat: Chat, settings: ChatSettings): Promise<boolean> {
  if (!settings.topLogProbabilities) return true;
  const answer = await chat(settings, repeating, longer);
  const isOther = ({ logProbability, top: [best] }: ServerPosition) =>
    logProbability !== null && best !== undefined && best.logProbability - logProbability > tie;
  return !answer?.positions.some(isOther);
}

/** How many of the likeliest tokens it shows beside the one drawn; null where it gives no numbers at all. */
async function largestTop(chat: Chat, plain: ChatSettings, asked: Prompt): Promise<number | null> {
  for (const wanted of [mostTopLogprobs, 10, 5, 0]) {
    const decoding = { ...shortest, topLogProbabilities: wanted };
    const answer = await chat({ ...plain, topLogProbabilities: wanted }, asked, decoding);
    if (!answer) continue;
    const [position] = answer.positions;
    return position?.logProbability == null ? null : Math.min(wanted, position.top.length);
  }
  return null;
}

/** The form of an answer's beginning that the server goes on from. */
async function prefillForm(probed: ProbedChat): Promise<ServerCapabilities['prefill']> {
  for (const form of ['last message', 'continue_final_message'] as const)
    if (await goesOnFrom(form, probed)) return form;
  return null;
}

/**
 * Whether it goes on from an answer given so. A server that closes the turn and opens a new one reads more tokens: beside
 * those of the words there are the turn's marks. How many tokens words have is told by giving them twice.
 */
export async function goesOnFrom(
  prefill: NonNullable<ServerCapabilities['prefill']>,
  { chat, settings: { topLogProbabilities: _, ...plain }, first: { promptTokens } }: ProbedChat,
): Promise<boolean> {
  if (promptTokens === null) return false;
  const settings = { ...plain, topLogProbabilities: null, prefill };
  const once = await chat(settings, { ...prompt, prefill: words }, shortest);
  const twice = await chat(settings, { ...prompt, prefill: `${words} ${words}` }, shortest);
  if (once?.promptTokens == null || twice?.promptTokens == null) return false;
  const added = twice.promptTokens - once.promptTokens;
  const marks = once.promptTokens - promptTokens - added;
  // What always says the same number has not counted.
  return added > 0 && (marks === 0 || marks === -1);
}

/** Least nats between two tokens that are not equally likely in sixteen bits. */
const tie = 0.01;
/** Most nats by which a token's two numbers differ: prompts and answers are computed in batches of different shapes. */
const rounding = 0.05;

/**
 * The form of prompt in which completions that echo it score an answer as the chat does: what the chat says first, with
 * how likely it was, is scored as a given answer. Another template, a BOS too many and numbers that stand a token too
 * far (llama-cpp-python, where a prompt has no BOS) all show.
 */
async function echoForm(
  pool: Pool,
  chat: Chat,
  settings: ChatSettings,
  tokenizer: ChatTokenizer | null,
): Promise<Scoring | null> {
  if (settings.topLogProbabilities === null) return null;
  const answer = await chat(settings, prompt, { ...shortest, topLogProbabilities: 1 });
  const [first] = answer?.positions ?? [];
  if (!answer?.text || first?.logProbability == null) return null;
  const { model } = settings;
  const forms = tokenizer
    ? (['echo of tokens', 'echo of text', 'echo of text without BOS'] as const)
    : (['echo of tokens'] as const);
  for (const scoring of forms) {
    const asked = { name: model, concurrency: 1, countTokens: tokenCounter(tokenizer, quarterOfCharacters) };
    const options = { ...settings, ...asked, scoring, tokenizer };
    try {
      const [score] = await scoreAnswers(pool, options, prompt, [answer.text], undefined);
      if (Math.abs(score!.logProbability - first.logProbability) <= rounding) return scoring;
    } catch (error) {
      if (!(error instanceof AuditError) || error.code === 'interrupted') throw error;
    }
  }
  return null;
}

async function tokenizerKind(pool: Pool, model: string): Promise<ServerCapabilities['tokenizer']> {
  for (const kind of ['vllm', 'llama.cpp'] as const) {
    try {
      const [texts] = await tokenTexts(pool, kind, model, [words]);
      if (texts?.join('').trim() === words) return kind;
    } catch {
      // Not this kind.
    }
  }
  return null;
}
