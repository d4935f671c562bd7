import type { Conversation } from './conversation.ts';
import type { FirstTokens } from './server-record.ts';

/** Where a model runs, what is traded for memory, how it is asked. */
export interface ModelOptions {
  /** `auto`: WebGPU where there is a device, else the CPU. */
  readonly device: 'auto' | 'cpu' | 'webgpu';
  /** `fast`: half-precision weights are decoded once, and training keeps what it would compute again; `auto`: where they fit well. */
  readonly memory: 'auto' | 'low' | 'fast';
  /** The chat template's `enable_thinking`; null: its own default. */
  readonly enableThinking: boolean | null;
}

export const defaultOptions: ModelOptions = {
  device: 'cpu',
  memory: 'auto',
  enableThinking: null,
};

/** How text is generated. `temperature` 0 is greedy; otherwise sampled with the prompt's own seed. */
export interface Decoding {
  readonly maxTokens: number;
  readonly temperature: number;
  /** Nucleus in (0, 1]; 1 keeps every token. Applied after `topK` and before `minP`, as transformers does. */
  readonly topP: number;
  /** Sample among this many of the likeliest tokens; all unless given. */
  readonly topK?: number;
  /** Sample among tokens at least this many times as likely as the likeliest, in [0, 1]; 0 unless given. */
  readonly minP?: number;
  /** The answer ends before the first occurrence of any of these texts. */
  readonly stop?: readonly string[];
  readonly seed: number;
  /** How many of the largest log-probabilities every token brings; ten unless given. */
  readonly topLogProbabilities?: number;
  /** Whether every token also says its bytes and which tokens the likeliest are: for serving; no record holds them. */
  readonly namesTop?: boolean;
  /** An answer's numbers are the same to the last bit in whichever batch it is generated; costs about a third. */
  readonly batchInvariant?: boolean;
}

/** What a model is given to go on from. */
export interface PromptText {
  readonly messages: Conversation;
  /** The answer's beginning, put behind the generation prompt: the model goes on from there. */
  readonly prefill?: string;
  /** Read instead of the messages as it is, without a template: a text, or token ids. */
  readonly raw?: string | readonly number[];
}

export interface Prompt extends PromptText {
  /** Told apart from `Decoding.seed` so that an item draws the same numbers in whichever batch it lands. */
  readonly seed: number;
}

/** A token and how likely it is at its place. */
export interface NamedToken {
  readonly id: number;
  readonly text: string;
  /** Null where the vocabulary does not tell the bytes of a piece of a character. */
  readonly bytes: readonly number[] | null;
  readonly logProbability: number;
}

/** A token of a given text. */
export interface ScoredToken extends Omit<NamedToken, 'logProbability'> {
  /** ln p given all before it; null for the first, which has nothing before it. */
  readonly logProbability: number | null;
  /** How many tokens are as likely as it or likelier, itself included; null for the first. */
  readonly rank: number | null;
  /** The likeliest at its place, descending; none for the first. */
  readonly top: readonly NamedToken[];
}

export interface GeneratedToken {
  readonly id: number;
  readonly text: string;
  /** ln p of this token under the model (before temperature), ≤ 0. */
  readonly logProbability: number;
  /** The largest ln p at this position, descending, as many as the decoding asks; fewer when the vocabulary is smaller. */
  readonly topLogProbabilities: readonly number[];
  /** True for what ends the answer: the end-of-turn token, the tokens of a stop string. Part of the record, never of the text. */
  readonly endOfTurn: boolean;
  /** Where `namesTop` asks for them: the token's bytes, and the likeliest tokens as they are. */
  readonly bytes?: readonly number[] | null;
  readonly top?: readonly NamedToken[];
}

export interface Generation {
  /** Without the prefill, a stop string and what follows it. */
  readonly text: string;
  readonly tokens: readonly GeneratedToken[];
  /** `stop`: at an end-of-turn token or a stop string; `length`: cut at `maxTokens` or at the context's end. */
  readonly finishReason: 'stop' | 'length' | 'content_filter';
  /** The prefill's tokens included. */
  readonly promptTokens: number;
  /** What the answer was made to begin with; absent when nothing. */
  readonly prefill?: string;
}

/** A piece of an answer while it is being generated; the texts of all of them together are the answer's. */
export type AnswerPart =
  | {
      readonly type: 'token';
      readonly token: GeneratedToken;
      /** What has become certain of the text: it lags behind where a stop string or a character may be under way. */
      readonly text: string;
    }
  | { readonly type: 'end'; readonly text: string; readonly generation: Generation };

/** A given continuation under the model, as lm-evaluation-harness scores it. */
export interface ContinuationScore {
  /** Σ ln p of its tokens, each given all before it. */
  readonly logProbability: number;
  readonly tokens: readonly { readonly id: number; readonly text: string; readonly logProbability: number }[];
  /** Whether greedy decoding would have written it. */
  readonly greedy: boolean;
}

/** How likely an answer begins with one of a set of tokens. */
export interface FirstTokenMass {
  /** P, in [0, 1]. */
  readonly probability: number;
  /** ln P − ln(1 − P), exact also where P is nearly 0 or 1; infinite where the set is empty or everything. */
  readonly logOdds: number;
}

/** Rows of a decoder's residual stream, [positions, width]. */
export interface HiddenStates {
  readonly positions: number;
  readonly width: number;
  readonly data: Float32Array;
}

export interface HiddenStatesRequest {
  /**
   * As in transformers' `output_hidden_states`: 0 is the embeddings, l the output of the l-th layer, and the number of
   * layers the last one's output after the final norm.
   */
  readonly layer: number;
  readonly positions: 'last' | 'all';
}

export interface RenderedPrompt {
  /** The prompt exactly as the model reads it, through its chat template. */
  readonly text: string;
  readonly sha256: string;
  readonly tokenCount: number;
}

/** What a model does not give, each with what would help; for planning to refuse what needs it. */
export interface ModelLacks {
  /** Any log-probability of an answer's tokens. */
  readonly logProbabilities?: string;
  /** Ten of the largest at every position. */
  readonly topLogProbabilities?: string;
  /** Answers that begin as they are told to. */
  readonly prefill?: string;
  /** `loglikelihood`. */
  readonly likelihood?: string;
  /** A turn of its own after a conversation that an assistant ends, as judges are shown: it goes on from that. */
  readonly closedAnswers?: string;
}

/** A chat model with or without an adapter; who runs it (embedded engine, server, mock) cannot be told from here. */
export interface LanguageModel {
  /** For people: a path or a name. */
  readonly name: string;
  /** SHA-256 over weights and adapter: part of every cache key. */
  readonly fingerprint: string;
  readonly contextLength: number;
  /** What it runs on; `server`: only its server knows. */
  readonly device: 'cpu' | 'webgpu' | 'server';
  /** What `auto` came to; left out by models that have no such choice. */
  readonly memory?: 'low' | 'fast';
  /** What the adapter says it was trained on, where nothing proves that it was this base; null otherwise. */
  readonly unprovenBase: string | null;
  /** How many prompts a planned batch holds. */
  readonly batchSize: number;
  /**
   * How many planned batches may be under way at once; 1 unless given. Where it is, a batch that fails alone costs
   * nothing but itself.
   */
  readonly concurrency?: number;
  /** Nothing unless given. */
  readonly lacks?: ModelLacks;
  /** Of a model behind a server: what comes first after each canary prompt, which proves that it is the one it is said to be. */
  readonly canary?: readonly FirstTokens[];
  /** @throws AuditError `model` when the chat template refuses the conversation. */
  render(conversations: readonly Conversation[]): Promise<RenderedPrompt[]>;
  /** One planned batch; the answers come in the prompts' order. */
  generate(prompts: readonly Prompt[], decoding: Decoding, signal?: AbortSignal): Promise<Generation[]>;
  /**
   * One answer as it comes, computed beside others in a batch whose places are refilled: for serving. Leaving the loop
   * ends it. Absent, as the four below are, where whoever runs the model does not give it.
   */
  stream?(prompt: Prompt, decoding: Decoding, signal?: AbortSignal): AsyncIterable<AnswerPart>;
  /** Each text as the texts of its tokens, which joined are the text; '' for one that ends inside a character. */
  tokenTexts?(texts: readonly string[]): Promise<string[][]>;
  /**
   * Scores texts as continuations of one prompt, which is computed once for all of them.
   * @throws AuditError `data` for an empty one and for one that does not fit the context.
   */
  loglikelihood?(
    prompt: PromptText,
    continuations: readonly string[],
    signal?: AbortSignal,
  ): Promise<ContinuationScore[]>;
  /** Of one planned batch: the probability that the first token is one of `tokenIds`; null where a server hides it. */
  firstTokenMass?(
    prompts: readonly PromptText[],
    tokenIds: readonly number[],
    signal?: AbortSignal,
  ): Promise<(FirstTokenMass | null)[]>;
  /** Of one planned batch: the states at a layer, of the last or of all of the prompt's tokens. */
  hiddenStates?(
    prompts: readonly PromptText[],
    request: HiddenStatesRequest,
    signal?: AbortSignal,
  ): Promise<HiddenStates[]>;
  /** Every token of prompts that are given whole, with the `top` likeliest at its place. */
  scoreTokens?(prompts: readonly PromptText[], top: number, signal?: AbortSignal): Promise<ScoredToken[][]>;
  /** The ids that prompts are read as. @param bare texts get no BOS. */
  tokenIds?(prompts: readonly PromptText[], bare?: boolean): Promise<number[][]>;
  /** The text of each sequence of ids, special tokens included. */
  textsOf?(sequences: readonly (readonly number[])[]): Promise<string[]>;
  /** What ends a turn, what the tokenizer puts in front of a text (null for none), and the chat template. */
  specialTokens?(): Promise<{
    readonly eos: string | null;
    readonly bos: string | null;
    readonly template: string;
  }>;
  close(): Promise<void>;
}
