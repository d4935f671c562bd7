import type { Conversation } from '../conversation.ts';
import { throwIfAborted } from '../errors.ts';
import { sha256 } from '../hash.ts';
import type {
  Decoding,
  GeneratedToken,
  Generation,
  LanguageModel,
  Prompt,
  PromptText,
  RenderedPrompt,
} from '../model.ts';
import { createRandom } from '../random.ts';

export interface MockOptions {
  readonly name?: string;
  /** Tells two mocks' log-probabilities and fingerprints apart. */
  readonly seed?: number;
  /** What it answers: a function of the conversation and the prompt's seed, or a table by the last turn's text. */
  readonly answer: ((conversation: Conversation, seed: number) => string) | Readonly<Record<string, string>>;
  readonly contextLength?: number;
  readonly batchSize?: number;
  /** Σ ln p of a continuation; without it the model gives no likelihoods. */
  readonly likelihood?: (conversation: Conversation, continuation: string) => number;
}

/**
 * A model without weights, for trying out suites, judges and pipelines: equal seeds give equal answers and
 * log-probabilities, in whichever batch. Its tokens are words, its log-probabilities are made up.
 */
export function mockModel(options: MockOptions): LanguageModel {
  const { name = 'mock', seed = 0, answer, contextLength = 4096, batchSize = 4, likelihood } = options;
  const fingerprint = sha256(`mock\n${name}\n${seed}`);
  const answerTo = (messages: Conversation, promptSeed: number): string => {
    if (typeof answer === 'function') return answer(messages, promptSeed);
    const turn = messages.at(-1)?.content ?? '';
    const text = Object.hasOwn(answer, turn) ? answer[turn] : undefined;
    if (text === undefined) throw new Error(`mock: the table has no answer to ${JSON.stringify(turn)}`);
    return text;
  };
  const generateOne = (prompt: Prompt, decoding: Decoding): Generation => {
    const rendered = render(prompt.messages);
    const words = answerTo(prompt.messages, prompt.seed).match(/\s*\S+|\s+$/g) ?? [];
    const room = Math.min(decoding.maxTokens, contextLength - rendered.tokenCount);
    const random = createRandom('mock', fingerprint, rendered.sha256, prompt.seed);
    const kept = words.slice(0, room);
    const tokens = kept.map((text) => inventToken(text, false, random.next));
    const complete = words.length < room;
    return {
      text: kept.join(''),
      tokens: complete ? [...tokens, inventToken('<end>', true, random.next)] : tokens,
      finishReason: complete ? 'stop' : 'length',
      promptTokens: rendered.tokenCount,
    };
  };
  return {
    name,
    fingerprint,
    contextLength,
    device: 'cpu',
    unprovenBase: null,
    batchSize,
    render: async (conversations) => conversations.map(render),
    generate: async (prompts, decoding, signal) => {
      throwIfAborted(signal);
      return prompts.map((prompt) => generateOne(prompt, decoding));
    },
    ...(likelihood && {
      loglikelihood: async ({ messages }: PromptText, continuations: readonly string[]) =>
        continuations.map((continuation) => ({
          logProbability: likelihood(messages, continuation),
          tokens: [],
          greedy: false,
        })),
    }),
    close: async () => {},
  };
}

function render(messages: Conversation): RenderedPrompt {
  const text = `${messages.map(({ role, content }) => `<${role}> ${content}\n`).join('')}<assistant>`;
  return { text, sha256: sha256(text), tokenCount: text.split(/\s+/).length };
}

/** The token is the likeliest of ten, with a probability in [0.3, 1). */
function inventToken(text: string, endOfTurn: boolean, next: () => number): GeneratedToken {
  const probability = 0.3 + 0.7 * next();
  const others = Array.from({ length: 9 }, (_, rank) => ((1 - probability) * 0.9) / 2 ** (rank + 1));
  return {
    id: Number.parseInt(sha256(text).slice(0, 6), 16),
    text,
    logProbability: Math.log(probability),
    topLogProbabilities: [probability, ...others].sort((a, b) => b - a).map(Math.log),
    endOfTurn,
  };
}
