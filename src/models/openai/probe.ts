import type { Decoding, Prompt } from '../../model.ts';
import type { ServerCapabilities } from '../../server-record.ts';
import {
  type ChatAnswer,
  type ChatSettings,
  chatRequest,
  mostTopLogprobs,
  parseJson,
  readChatAnswer,
} from './chat.ts';
import type { Reply } from './connection.ts';
import { readPromptPositions } from './likelihood.ts';
import type { Pool } from './pool.ts';
import { tokenTexts } from './tokenizer.ts';

/** What a server can do, by trying: documentation differs from build to build. */

export interface Probed {
  readonly capabilities: Omit<ServerCapabilities, 'contextLength'>;
  readonly systemFingerprint: string | null;
}

const words = 'one two three four five six';
const prompt: Prompt = { messages: [{ role: 'user', content: 'Count from one to ten.' }], seed: 7 };
const shortest: Decoding = { maxTokens: 1, temperature: 0, topP: 1, seed: 7 };
const sampled: Decoding = { maxTokens: 16, temperature: 1, topP: 1, seed: 7 };

/** A status by which a server says that it does not do what it was asked, not that it is out of order. */
const isNo = ({ status }: Reply) =>
  status >= 400 && ![401, 403, 404, 408, 429, 502, 503, 504].includes(status);
/**
 * Asks a dozen short questions.
 * `logprobs`: whether log-probabilities are wanted at all.
 * @throws AuditError `network`, `config` or `model` where even a plain question gets no answer.
 */
export async function probe(
  pool: Pool,
  { model, logprobs, enableThinking }: { model: string; logprobs: boolean; enableThinking: boolean | null },
  signal?: AbortSignal,
): Promise<Probed> {
  const plain: ChatSettings = { model, topLogProbabilities: null, enableThinking, prefill: null };
  /** A whole body; '' where the server says no. */
  const ask = (body: object): Promise<string> =>
    pool.ask(
      {
        ...{ path: 'chat/completions', body, name: model },
        read: (text) => text,
        accept: (reply) => (isNo(reply) ? '' : null),
      },
      signal,
    );
  const chat = async (
    settings: ChatSettings,
    asked: Prompt,
    decoding: Decoding,
  ): Promise<ChatAnswer | null> => {
    return readChatAnswer(await ask(chatRequest(settings, asked, decoding)));
  };
  const first = await pool.ask(
    {
      path: 'chat/completions',
      body: chatRequest(plain, prompt, shortest),
      name: model,
      read: readChatAnswer,
    },
    signal,
  );
  const topLogProbabilities = logprobs ? await largestTop(chat, plain) : null;
  const prefill = await prefillForm(chat, plain, first.promptTokens);
  const seeds = [await chat(plain, prompt, sampled), await chat(plain, prompt, sampled)];
  const scoring = await ask({
    ...chatRequest({ ...plain, prefill }, { ...prompt, ...(prefill && { prefill: words }) }, shortest),
    prompt_logprobs: 0,
  });
  return {
    capabilities: {
      topLogProbabilities,
      prefill,
      likelihood: prefill !== null && readPromptPositions(parseJson(scoring)) !== null,
      tokenizer: await tokenizerKind(pool, model),
      seedRepeats: seeds[0] && seeds[1] ? seeds[0].text === seeds[1].text : null,
    },
    systemFingerprint: first.systemFingerprint,
  };
}

type Chat = (settings: ChatSettings, asked: Prompt, decoding: Decoding) => Promise<ChatAnswer | null>;

/** How many of the likeliest tokens it shows beside the one drawn; null where it gives no numbers at all. */
async function largestTop(chat: Chat, plain: ChatSettings): Promise<number | null> {
  for (const wanted of [mostTopLogprobs, 10, 5, 0]) {
    const decoding = { ...shortest, topLogProbabilities: wanted };
    const answer = await chat({ ...plain, topLogProbabilities: wanted }, prompt, decoding);
    if (!answer) continue;
    const [position] = answer.positions;
    return position?.logProbability == null ? null : Math.min(wanted, position.top.length);
  }
  return null;
}

/**
 * The form of an answer's beginning that the server goes on from. A server that closes the turn and opens a new one
 * reads more tokens: beside those of the words there are the turn's marks. How many tokens words have is told by giving
 * them twice.
 */
async function prefillForm(
  chat: Chat,
  plain: ChatSettings,
  promptTokens: number | null,
): Promise<ServerCapabilities['prefill']> {
  if (promptTokens === null) return null;
  for (const prefill of ['last message', 'continue_final_message'] as const) {
    const settings = { ...plain, prefill };
    const once = await chat(settings, { ...prompt, prefill: words }, shortest);
    const twice = await chat(settings, { ...prompt, prefill: `${words} ${words}` }, shortest);
    if (once?.promptTokens == null || twice?.promptTokens == null) continue;
    const marks = once.promptTokens - promptTokens - (twice.promptTokens - once.promptTokens);
    if (marks === 0 || marks === -1) return prefill;
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
