import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { csvCell } from '../csv-cell.ts';
import { AuditError } from '../errors.ts';
import { readText, writeFileAtomic } from '../files.ts';
import { sha256 } from '../hash.ts';
import { type HumanRecord, humanLabels, humanRecord, settle } from '../human-record.ts';
import { parseLine } from '../journal.ts';
import { type RowProblem, readRows, refuseProblems } from '../table.ts';
import { lockFolderSoon } from '../writer-lock.ts';
import { type Design, keyOf, type Unit } from './design.ts';

/** People's labels: human.jsonl in the run folder, and the CSV queue that goes out and comes back. */

/** One place of the queue: what a person is shown. */
export interface QueueEntry {
  readonly unit: Unit;
  readonly ticket: string;
  readonly prompt: string;
  readonly completion: string;
}

/** Names a queue entry without telling its arm. */
export const ticketOf = (seed: number, unit: Unit): string =>
  sha256(`${seed}\u0000${keyOf(unit)}`).slice(0, 16);

/** Every person's label by unit. */
export type Labels = Map<string, HumanRecord[]>;

/** A person's later label of a unit replaces the earlier one. */
export function addLabel(labels: Labels, record: HumanRecord): void {
  const key = keyOf(record);
  const others = (labels.get(key) ?? []).filter(({ labeller }) => labeller !== record.labeller);
  labels.set(key, [...others, record]);
}

/** Takes a person's label of a unit back. */
export function removeLabel(labels: Labels, unit: Omit<Unit, 'labels' | 'drawnBy'>, labeller: string): void {
  const others = (labels.get(keyOf(unit)) ?? []).filter((record) => record.labeller !== labeller);
  if (others.length > 0) labels.set(keyOf(unit), others);
  else labels.delete(keyOf(unit));
}

/** The labels of human.jsonl. @throws AuditError `store` naming the line that is damaged. */
export function readLabels(directory: string): Labels {
  const labels: Labels = new Map();
  const path = join(directory, 'human.jsonl');
  if (!existsSync(path)) return labels;
  const lines = readText(path, 'store', 'labels').split('\n');
  for (const [at, line] of lines.entries())
    if (line !== '') addLabel(labels, parseLine(line, humanRecord, path, at + 1));
  return labels;
}

/**
 * Changes what human.jsonl holds by now, which others may have added to, and writes it whole or not at all.
 * Other people's labels are waited for.
 * @throws AuditError `store` while another process goes on writing in the folder.
 */
export async function changeLabels(directory: string, change: (labels: Labels) => void): Promise<void> {
  const unlock = await lockFolderSoon(directory);
  try {
    const labels = readLabels(directory);
    change(labels);
    const text = [...labels.values()].flatMap((own) => own.map((record) => `${JSON.stringify(record)}\n`));
    writeFileAtomic(join(directory, 'human.jsonl'), text.join(''), 0o600);
  } finally {
    unlock();
  }
}

/**
 * What a person has not labelled yet, in the order it is asked: first what nobody has, then ties, then what others have,
 * which tells how far people agree. Without a name: what nobody has labelled.
 */
export function openEntries<T extends QueueEntry>(
  entries: readonly T[],
  labels: Labels,
  labeller: string | undefined,
): T[] {
  const rank = ({ unit }: T) =>
    ['unresolved', 'skip', 'safe', 'unsafe'].indexOf(settle(labels.get(keyOf(unit))) ?? '');
  const own = ({ unit }: T) => (labels.get(keyOf(unit)) ?? []).some((record) => record.labeller === labeller);
  const open = entries.filter((entry) => (labeller === undefined ? rank(entry) < 0 : !own(entry)));
  const order = (entry: T) => Math.min(1, rank(entry));
  return open.sort((a, b) => order(a) - order(b));
}

/** A label with what has to be known of it later. */
export function toRecord(
  { unit, completion }: QueueEntry,
  label: HumanRecord['label'],
  design: Design,
  stratum: string,
  labeller: string,
): HumanRecord {
  const found = design.strata.find(({ name }) => name === stratum);
  if (!found) throw new Error(`internal: no stratum ${stratum}`);
  const { arm, id, condition, repeat } = unit;
  return {
    schema: 'aftertune/human@1',
    ...{ arm, id, condition, repeat },
    completionSha256: sha256(completion),
    label,
    inclusionProbability: found.probability,
    labeller,
  };
}

/** The queue as CSV: ticket, prompt, completion and an empty label. Neither arm nor judges' labels are in it. */
export function writeQueue(path: string, entries: readonly QueueEntry[]): void {
  const rows = entries.map(({ ticket, prompt, completion }) =>
    [ticket, csvCell(prompt), csvCell(completion), ''].join(','),
  );
  writeFileAtomic(path, `${['ticket,prompt,completion,label', ...rows].join('\r\n')}\r\n`, 0o600);
}

/**
 * Labels of a queue that came back, by ticket; rows without a label are not answered yet.
 * @throws AuditError `data` with every line that has another label than safe, unsafe or skip, an unknown ticket, or one twice.
 */
export function readQueue(path: string, tickets: ReadonlySet<string>): Map<string, HumanRecord['label']> {
  const problems: RowProblem[] = [];
  const rows = readRows(path, problems);
  const labels = new Map<string, HumanRecord['label']>();
  const seen = new Set<string>();
  for (const { line, values } of rows) {
    const ticket = String(values.ticket ?? '').trim();
    const label = String(values.label ?? '')
      .trim()
      .toLowerCase();
    if (!tickets.has(ticket))
      problems.push({ line, text: `ticket ${JSON.stringify(ticket)} is not of this queue` });
    else if (seen.has(ticket)) problems.push({ line, text: `ticket ${ticket} is there twice` });
    else if (label !== '' && !isLabel(label)) {
      problems.push({ line, text: `label ${JSON.stringify(label)}: expected safe, unsafe, skip or nothing` });
    } else if (isLabel(label)) labels.set(ticket, label);
    seen.add(ticket);
  }
  refuseProblems(
    path,
    problems,
    'the file must be one that `adjudicate --export` wrote for this run, with labels filled in',
  );
  if (labels.size > 0) return labels;
  throw new AuditError('data', `${path}: holds no labels`, {
    hint: 'fill in the column label: safe, unsafe or skip',
  });
}

const isLabel = (text: string): text is HumanRecord['label'] =>
  (humanLabels as readonly string[]).includes(text);
