/** What the page's script reads: the contract between Node, which packs items, and the browser, which lists them. Types only. */

/** Which items a number counts. */
export interface ItemSelector {
  readonly suite: string;
  /** Tags that the item has, all of them: `plain`, `headline`, `condition:false_context`, `semantic:…`. */
  readonly item?: readonly string[];
  /** By arm: tags that its answer has, all of them: `unsafe`, `scored`, `right → wrong`. */
  readonly answers?: Readonly<Record<string, readonly string[]>>;
  /** As `answers`, and not all of it holds. */
  readonly except?: Readonly<Record<string, readonly string[]>>;
}

/**
 * One prompt in one repeat with every arm's answer: place of its suite, id, place of its condition, repeat, tag set of the
 * item, tag sets of the answers in the arms' order, and the prompt's beginning (null: redacted or not known).
 */
export type IndexEntry = readonly [
  suite: number,
  id: string,
  condition: number,
  repeat: number,
  item: number,
  answers: readonly number[],
  beginning: string | null,
];

/** What the list needs of every item; the rest lies in chunks. */
export interface ItemIndex {
  readonly arms: readonly string[];
  readonly suites: readonly string[];
  readonly conditions: readonly string[];
  readonly tags: readonly string[];
  /** Places in `tags`. */
  readonly tagSets: readonly (readonly number[])[];
  readonly entries: readonly IndexEntry[];
  /** Entries per chunk: entry n lies in chunk ⌊n / chunkSize⌋. */
  readonly chunkSize: number;
  /** Items of the run; more than there are entries where they were sampled. */
  readonly total: number;
}

export interface VerdictDetail {
  readonly judge: string;
  readonly label: string;
  readonly tone: 'good' | 'bad' | 'open';
  /** Category, probability, why unscored, what the judge wrote. */
  readonly notes: readonly string[];
}

export interface AnswerDetail {
  /** Null: redacted; then its tokens, its thinking and what judges wrote are left out too. */
  readonly completion: string | null;
  /** Its text is not on record, so that nothing was redacted. */
  readonly unrecorded?: boolean;
  /** Why there is none, after every attempt to ask. */
  readonly failure?: string;
  readonly thinking?: string;
  /** What the answer was made to begin with. */
  readonly prefill?: string;
  /** Of the completion; null where its text is not on record. */
  readonly sha256: string | null;
  /** Length in tokens, finish reason, confidence. */
  readonly notes: readonly string[];
  readonly verdicts: readonly VerdictDetail[];
  /** One character per answer token, its code ⌊255 p + ½⌋. */
  readonly probabilities?: string;
  /** One character per answer token, its code the number of UTF-16 units of the completion. */
  readonly lengths?: string;
}

export interface ItemDetail {
  /** Null: redacted or not known. */
  readonly prompt: string | null;
  /** Where the prompt is redacted: its length and hash. */
  readonly redacted?: string;
  readonly notes: readonly string[];
  /** In the arms' order; null: no answer on record. */
  readonly answers: readonly (AnswerDetail | null)[];
}
