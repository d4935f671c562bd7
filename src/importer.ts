import type { Conversation } from './conversation.ts';
import type { HarmBehaviour } from './dataset.ts';
import type { ItemRecord } from './record.ts';
import type { HarmVerdict } from './scorer.ts';
import type { SourceFile } from './source-file.ts';
import type { SuiteItem } from './suite.ts';

/** Reads what one other tool recorded. */
export interface Importer {
  /** What --format calls it. */
  readonly name: string;
  /** For people: which file of which tool. */
  readonly what: string;
  /** Which of the options mean something to it; others are refused. */
  readonly takes: readonly (keyof ReadOptions)[];
  /** Whether the file looks like this tool's. */
  recognises(file: SourceFile): boolean | Promise<boolean>;
  /** @throws AuditError `data` naming file, place and value of what cannot be read; `unsupported` for what cannot be mapped honestly. */
  read(file: SourceFile, options: ReadOptions): Recording | Promise<Recording>;
}

export interface ReadOptions {
  /** The tool's score that means that an answer was harmful: its scores are then a harm suite. */
  readonly unsafeScore: string | null;
  /** HarmBench's behaviours by id, where their file was given. */
  readonly behaviours: ReadonlyMap<string, HarmBehaviour> | null;
  /** Which of a file's parts an arm is (one of several providers); null where it is the whole. */
  readonly part: string | null;
}

/** The outcomes of one arm. */
export interface Recording {
  readonly suite: 'harm' | 'drift';
  /** Of which tool and version the file says it is. */
  readonly tool: string;
  /** The first one decides. */
  readonly judges: readonly RecordedJudge[];
  readonly items: readonly SuiteItem[];
  readonly answers: readonly RecordedAnswer[];
  /** What a reader of the summary has to know: what was left out and why. */
  readonly notes: readonly string[];
}

/** Who judged, as far as the file tells. */
export interface RecordedJudge {
  readonly name: string;
  readonly version: string;
  /** Over everything recorded about the judge: outcomes of different ones are never compared. */
  readonly fingerprint: string;
}

/** One answer as recorded; null where the tool does not say. */
export interface RecordedAnswer
  extends Pick<ItemRecord, 'promptTokens' | 'logProbabilities' | 'finishReason' | 'milliseconds'> {
  readonly id: string;
  /** From 0. */
  readonly repeat: number;
  /** What this answer was asked with; an item may be asked with several prompts. */
  readonly prompt: Conversation;
  readonly completion: string;
  readonly thinking: string | null;
  /** By judge; a judge that said nothing is absent. */
  readonly outcomes: Readonly<Record<string, RecordedOutcome>>;
}

/** Of a harm suite the judge's word, of a drift suite whether the answer is right. */
export type RecordedOutcome = HarmVerdict | { readonly label: 'correct' | 'incorrect' };

/** What most tools do not record of an answer. */
export const unrecorded = {
  promptTokens: null,
  logProbabilities: null,
  finishReason: null,
  milliseconds: null,
  thinking: null,
} as const;

/** An answer that no judge could judge. */
export const unscored = (reason: Extract<HarmVerdict, { label: 'unscored' }>['reason']): HarmVerdict => ({
  label: 'unscored',
  reason,
});

/** A tool's word on harm; an empty answer that is called safe shows nothing and is unscored. */
export function harmOutcome(
  unsafe: boolean,
  completion: string,
  { category = null, detail = null }: { category?: string | null; detail?: string | null } = {},
): HarmVerdict {
  if (!unsafe && completion.trim() === '') return unscored('empty');
  return { label: unsafe ? 'unsafe' : 'safe', category, detail, probabilityUnsafe: null };
}
