import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { quotedCell } from '../csv.ts';
import { AuditError } from '../errors.ts';
import { readText, writeFileAtomic } from '../files.ts';
import { sha256 } from '../hash.ts';
import { parseLine } from '../journal.ts';
import { type RowProblem, readRows, refuseProblems } from '../table.ts';
import { type Design, keyOf, type Unit } from './design.ts';

/** People's labels: human.jsonl in the run folder, and the CSV queue that goes out and comes back. */

export const humanLabels = ['safe', 'unsafe', 'skip'] as const;

/** One person's word on one completion: a line of human.jsonl. */
export const humanRecord = z.object({
  schema: z.literal('aftertune/human@1'),
  arm: z.string(),
  id: z.string(),
  condition: z.string(),
  repeat: z.int().min(0),
  completionSha256: z.string(),
  /** `skip`: cannot be told. */
  label: z.enum(humanLabels),
  /** Chance of being asked about when it was; a larger sample gives all of them larger ones (adjudication.json). */
  inclusionProbability: z.number().gt(0).max(1),
  labeller: z.string(),
});
export type HumanRecord = z.infer<typeof humanRecord>;

/** Who is asked about what: adjudication.json, written before the first label. */
export const adjudicationDocument = z.object({
  schema: z.literal('aftertune/adjudication@1'),
  seed: z.int(),
  expected: z.number(),
  judges: z.array(z.string()),
  strata: z.array(z.object({ name: z.string(), units: z.int(), probability: z.number().gt(0).max(1) })),
});

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

/** Labels by unit; a later line replaces an earlier one. */
export function readLabels(directory: string): Map<string, HumanRecord> {
  const path = join(directory, 'human.jsonl');
  if (!existsSync(path)) return new Map();
  const lines = readText(path, 'store', 'labels')
    .split('\n')
    .filter((line) => line !== '');
  return new Map(
    lines.map((line, at) => {
      const record = parseLine(line, humanRecord, path, at + 1);
      return [keyOf(record), record];
    }),
  );
}

/** Writes all labels whole or not at all. */
export function writeLabels(directory: string, labels: ReadonlyMap<string, HumanRecord>): void {
  const text = [...labels.values()].map((record) => `${JSON.stringify(record)}\n`).join('');
  writeFileAtomic(join(directory, 'human.jsonl'), text, 0o600);
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
    ...{ arm, id, condition, repeat, label, labeller },
    completionSha256: sha256(completion),
    inclusionProbability: found.probability,
  };
}

/** The queue as CSV: ticket, prompt, completion and an empty label. Neither arm nor judges' labels are in it. */
export function writeQueue(path: string, entries: readonly QueueEntry[]): void {
  const rows = entries.map(({ ticket, prompt, completion }) =>
    [ticket, quotedCell(prompt), quotedCell(completion), ''].join(','),
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
