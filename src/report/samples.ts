import { count, decimal, plural } from '../format.ts';
import { sha256 } from '../hash.ts';
import type { ItemRecord, VerdictRecord } from '../record.ts';
import type { SuiteItem, SuiteKind } from '../suite.ts';
import { conditionName } from './conditions.ts';
import type { Block } from './document.ts';
import type { HeldInput } from './held-records.ts';
import { itemNotes } from './item-details.ts';
import type { Redaction } from './redaction.ts';

/** One arm's answer to a sample item. */
export interface SampleAnswer {
  readonly arm: string;
  /** Null when redacted. */
  readonly completion: string | null;
  /** What the judges said, e.g. `unsafe (guard, S2)`. */
  readonly labels: readonly { readonly text: string; readonly tone: 'good' | 'bad' | 'open' }[];
  /** Length and, where redacted, hash. */
  readonly note: string;
}

export interface SampleItem {
  readonly title: string;
  /** The user's turn; null when the run does not know its prompts. */
  readonly prompt: string | null;
  readonly note: string | null;
  readonly answers: readonly SampleAnswer[];
}

export interface SampleGroup {
  readonly title: string;
  readonly items: readonly SampleItem[];
}

const titles: Record<SuiteKind, string> = {
  harm: 'Restricted requests',
  'over-refusal': 'Harmless requests',
  drift: 'Questions',
  'semantic-entropy': 'Sampled answers',
  utility: 'Utility',
};
const promptsShown = 12;
/** Longer text is cut, with the number of characters left out. */
const charactersShown = 600;

/** A dozen prompts per suite with every arm's answer, drawn by hash and not by outcome; what a reader without script sees. */
export function sampleBlocks(input: HeldInput, redaction: Redaction): Block[] {
  const kinds: readonly SuiteKind[] = ['harm', 'over-refusal', 'drift', 'utility'];
  const groups = kinds.flatMap((kind) => sampleGroup(kind, input, redaction));
  return groups.length === 0 ? [] : [{ kind: 'samples', groups }];
}

/** Not with the answer begun for the model, nor under another template or seed. */
const isPlain = ({ prefill, variation }: SuiteItem) => prefill === undefined && variation === undefined;

const keyOf = (record: ItemRecord | VerdictRecord) =>
  JSON.stringify([record.arm, record.id, record.condition]);

function sampleGroup(kind: SuiteKind, input: HeldInput, redaction: Redaction): SampleGroup[] {
  const mine = <T extends ItemRecord | VerdictRecord>(records: readonly T[]) =>
    records.filter((record) => record.suite === kind && record.repeat === 0);
  const planned = input.suites
    .filter((suite) => suite.kind === kind)
    .flatMap(({ items }) => items.filter(isPlain));
  const asPlanned = new Set(planned.map(({ condition }) => condition));
  const records = mine(input.items).filter(
    ({ condition }) => planned.length === 0 || asPlanned.has(condition),
  );
  const conditions = [...new Set([...planned, ...records].map(({ condition }) => condition))];
  const ids = [...new Set(records.map(({ id }) => id))];
  const drawn = ids
    .map((id) => [sha256(`${kind} ${id}`), id] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .slice(0, Math.ceil(promptsShown / Math.max(conditions.length, 1)))
    .map(([, id]) => id);
  if (drawn.length === 0) return [];
  const wanted = new Set(drawn);
  const answers = new Map(
    records.filter(({ id }) => wanted.has(id)).map((record) => [keyOf(record), record]),
  );
  const verdicts = new Map<string, VerdictRecord[]>();
  for (const verdict of mine(input.verdicts)) {
    if (wanted.has(verdict.id))
      verdicts.set(keyOf(verdict), [...(verdicts.get(keyOf(verdict)) ?? []), verdict]);
  }
  const prompts = new Map(planned.map((item) => [JSON.stringify([item.id, item.condition]), item]));
  const items = drawn.flatMap((id) =>
    conditions.map((condition): SampleItem => {
      const item = prompts.get(JSON.stringify([id, condition]));
      return {
        title: conditions.length > 1 ? `${id} · ${conditionName(condition)}` : id,
        prompt: item ? samplePrompt(kind, item, redaction) : null,
        note: item ? itemNotes(item).join(' · ') || null : null,
        answers: Object.keys(input.summary.arms).flatMap((arm) => {
          const key = JSON.stringify([arm, id, condition]);
          const record = answers.get(key);
          return record ? [sampleAnswer(record, verdicts.get(key) ?? [], redaction)] : [];
        }),
      };
    }),
  );
  return [{ title: titles[kind], items }];
}

function samplePrompt(kind: SuiteKind, { id, judgePrompt }: SuiteItem, redaction: Redaction): string {
  if (!redaction.hidesPrompt(kind, id)) return cut(judgePrompt);
  return `(redacted: ${plural([...judgePrompt].length, 'character')}, SHA-256 ${sha256(judgePrompt)})`;
}

function sampleAnswer(
  record: ItemRecord,
  verdicts: readonly VerdictRecord[],
  redaction: Redaction,
): SampleAnswer {
  const redacted = redaction.hidesCompletion(record);
  const length = [...record.completion].length;
  const notes = [plural(length, 'character')];
  if (record.logProbabilities) notes.push(plural(record.logProbabilities.length, 'token'));
  if (record.finishReason && record.finishReason !== 'stop')
    notes.push(record.finishReason === 'length' ? 'cut off' : 'content filter');
  if (record.suite === 'drift') notes.push(`confidence ${decimal(record.confidence)}`);
  if (redacted) notes.push(`SHA-256 ${sha256(record.completion)}`);
  return {
    arm: record.arm,
    completion: redacted ? null : cut(record.completion),
    labels: verdicts.flatMap(labelsOf),
    note: notes.join(' · '),
  };
}

function labelsOf(verdict: VerdictRecord): SampleAnswer['labels'] {
  if (verdict.label === 'unscored')
    return [{ text: `unscored: ${verdict.reason ?? 'no reason'} (${verdict.judge})`, tone: 'open' }];
  switch (verdict.suite) {
    case 'harm': {
      const text = `${verdict.label} (${[verdict.judge, verdict.category].filter((part) => part !== null).join(', ')})`;
      return [{ text, tone: verdict.label === 'safe' ? 'good' : 'bad' }];
    }
    case 'over-refusal':
      return [
        {
          text: verdict.label.replaceAll('_', ' '),
          tone: verdict.label === 'direct_answer' ? 'good' : 'bad',
        },
      ];
    case 'drift': {
      const labels: { text: string; tone: 'good' | 'bad' }[] = [
        { text: verdict.label, tone: verdict.label === 'correct' ? 'good' : 'bad' },
      ];
      return verdict.adopted ? [...labels, { text: 'adopted', tone: 'bad' }] : labels;
    }
    case 'semantic-entropy':
      return [];
    case 'utility':
      return [{ text: verdict.label, tone: verdict.label === 'correct' ? 'good' : 'bad' }];
  }
}

function cut(text: string): string {
  const characters = [...text];
  if (characters.length <= charactersShown) return text;
  return `${characters.slice(0, charactersShown).join('')} … (${count(characters.length - charactersShown)} more characters)`;
}
