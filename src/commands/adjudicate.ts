import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Design, drawSample, keyOf, stratumOf, type Unit } from '../adjudication/design.ts';
import {
  addLabel,
  changeLabels,
  type Labels,
  openEntries,
  type QueueEntry,
  readLabels,
  readQueue,
  ticketOf,
  toRecord,
  writeQueue,
} from '../adjudication/labels.ts';
import { askAtTerminal } from '../adjudication/queue.ts';
import { adjudicated } from '../adjudication/result.ts';
import { resultText } from '../adjudication/result-text.ts';
import {
  designFor,
  keepDesign,
  readDesign,
  readUnits,
  refuseOtherCompletions,
  type Units,
} from '../adjudication/sample.ts';
import { alphaWithInterval, kappaWithInterval } from '../agreement.ts';
import { AuditError, exitCode } from '../errors.ts';
import { writeFileAtomic } from '../files.ts';
import { sha256File } from '../hash.ts';
import type { AdjudicatedDocument, HumanRecord } from '../human-record.ts';
import type { Context, Outcome } from './verb.ts';

export interface AdjudicateFlags {
  /** Expected size of the sample, all arms together. */
  readonly n?: number;
  readonly export?: string;
  readonly import?: string;
  readonly labeller?: string;
}

/**
 * Samples harm completions for people to label, takes their labels, and corrects the judges' rates by them. The sample
 * and the labels stay in the run folder; a larger `n` adds to them. Several people may label: `labeller` says who.
 */
export async function adjudicate(
  directory: string,
  flags: AdjudicateFlags,
  context: Context,
): Promise<Outcome> {
  const earlier = readDesign(directory);
  const run = await readUnits(directory, earlier?.judges ?? null);
  const labels = readLabels(directory);
  refuseNobody(flags, context, labels.size);
  const design = designFor(run.units, earlier, flags.n);
  keepDesign(directory, run, earlier, design);
  const sample = drawSample(run.units, design);
  refuseOtherCompletions(directory, sample, labels, run.entryOf);
  const did = await takeLabels(directory, { sample, design, labels, entryOf: run.entryOf }, flags, context);
  const document = await documentOf(directory, run, { sample, design, labels: readLabels(directory) });
  writeFileAtomic(join(directory, 'adjudicated.json'), `${JSON.stringify(document, null, 2)}\n`, 0o600);
  return { document, text: `${did}${resultText(document)}`, exitCode: exitCode.pass };
}

/** Exports, imports or asks; @returns what was done, in words. */
async function takeLabels(
  directory: string,
  { sample, design, labels, entryOf }: Sampled & Pick<Units, 'entryOf'>,
  flags: AdjudicateFlags,
  { terminal, signal }: Context,
): Promise<string> {
  const entries = sample.map((unit) => ({ ...entryOf(unit), ticket: ticketOf(design.seed, unit) }));
  const open = openEntries(entries, labels, flags.labeller);
  const record = (entry: QueueEntry, label: HumanRecord['label']) =>
    toRecord(entry, label, design, stratumOf(entry.unit), flags.labeller ?? 'unnamed');
  if (flags.export !== undefined) {
    writeQueue(resolve(flags.export), open);
    return `wrote ${open.length} completions in full to ${flags.export} (mode 0600): fill in the column label, then --import it\n`;
  }
  if (flags.import !== undefined) {
    const byTicket = new Map(entries.map((entry) => [entry.ticket, entry]));
    const given = readQueue(flags.import, new Set(byTicket.keys()));
    await changeLabels(directory, (kept) => {
      for (const [ticket, label] of given) addLabel(kept, record(byTicket.get(ticket)!, label));
    });
    return `took ${given.size} labels from ${flags.import}\n`;
  }
  if (!terminal || open.length === 0) return '';
  const keep = (entry: QueueEntry, label: HumanRecord['label']) =>
    changeLabels(directory, (kept) => addLabel(kept, record(entry, label)));
  return `${await askAtTerminal(open, terminal, keep, signal)} labelled\n`;
}

interface Sampled {
  readonly sample: readonly Unit[];
  readonly design: Design;
  readonly labels: Labels;
}

async function documentOf(
  directory: string,
  { units, judges, baseArm, gate }: Units,
  { sample, design, labels }: Sampled,
): Promise<AdjudicatedDocument> {
  const hash = async (file: string) => [file, await sha256File(join(directory, file))] as const;
  const records = ['items.jsonl', 'verdicts.jsonl', 'human.jsonl'];
  const panel = units.map((unit) => unit.labels.map((label) => (label === 'unscored' ? null : label)));
  return {
    schema: 'aftertune/adjudicated@1',
    hashes: Object.fromEntries(
      await Promise.all(records.filter((file) => existsSync(join(directory, file))).map(hash)),
    ),
    sample: {
      expected: design.expected,
      drawn: sample.length,
      open: sample.length - countOf(sample, labels),
      strata: [...design.strata],
    },
    judges: [...judges],
    agreement: {
      krippendorffAlpha: alphaWithInterval(panel),
      cohenKappa: pairwise(judges, panel).map(({ names, ...kappa }) => ({ judges: names, ...kappa })),
    },
    labellers: labellersOf(sample, labels),
    arms: adjudicated(units, judges, design, labels, { baseArm, gate }),
  };
}

/** Who labelled what is in the sample; with two people or more, how far they agree. */
function labellersOf(sample: readonly Unit[], labels: Labels): AdjudicatedDocument['labellers'] {
  const given = sample.map((unit) => labels.get(keyOf(unit)) ?? []);
  const names = [...new Set(given.flatMap((own) => own.map(({ labeller }) => labeller)))].sort();
  const counts = names.map(
    (name) => [name, given.flat().filter(({ labeller }) => labeller === name).length] as const,
  );
  if (names.length < 2) return { labels: Object.fromEntries(counts) };
  const panel = given.map((own) =>
    names.map((name) => {
      const label = own.find(({ labeller }) => labeller === name)?.label ?? null;
      return label === 'skip' ? null : label;
    }),
  );
  return {
    labels: Object.fromEntries(counts),
    krippendorffAlpha: alphaWithInterval(panel),
    cohenKappa: pairwise(names, panel).map(({ names: labellers, ...kappa }) => ({ labellers, ...kappa })),
  };
}

/** Cohen's κ of every two. */
const pairwise = (names: readonly string[], panel: readonly (readonly (string | null)[])[]) =>
  names.flatMap((first, a) =>
    names.slice(a + 1).map((second, b) => ({
      names: [first, second] as [string, string],
      ...kappaWithInterval(panel, a, a + 1 + b),
    })),
  );

/** Before a sample is drawn: somebody must be there to label it. */
function refuseNobody(flags: AdjudicateFlags, { terminal }: Context, labelled: number): void {
  if (flags.export !== undefined || flags.import !== undefined || terminal || labelled > 0) return;
  throw new AuditError('config', 'adjudicate asks at a terminal, and there is none', {
    hint: 'aftertune adjudicate RUN --export queue.csv, then --import queue.csv',
  });
}

const countOf = (sample: readonly Unit[], labels: Labels) =>
  sample.filter((unit) => labels.has(keyOf(unit))).length;
