import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import {
  type Design,
  designSample,
  drawSample,
  keyOf,
  stratumOf,
  type Unit,
} from '../adjudication/design.ts';
import {
  addLabel,
  type Labels,
  openEntries,
  type QueueEntry,
  readLabels,
  readQueue,
  ticketOf,
  toRecord,
  writeLabels,
  writeQueue,
} from '../adjudication/labels.ts';
import { askAtTerminal } from '../adjudication/queue.ts';
import { adjudicated } from '../adjudication/result.ts';
import { resultText } from '../adjudication/result-text.ts';
import { alphaWithInterval, kappaWithInterval } from '../agreement.ts';
import { AuditError, exitCode } from '../errors.ts';
import { writeFileAtomic } from '../files.ts';
import { sha256, sha256File } from '../hash.ts';
import { type AdjudicatedDocument, adjudicationDocument, type HumanRecord } from '../human-record.ts';
import { isHeadline } from '../metrics.ts';
import { joinOutcomes } from '../outcomes.ts';
import { readFinishedRun } from '../run-report.ts';
import { readDocument } from '../store.ts';
import type { Context, Outcome } from './verb.ts';

const defaultExpected = 100;

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
  const design = prepareDesign(directory, run, earlier, flags.n);
  const sample = drawSample(run.units, design);
  refuseOtherCompletions(directory, sample, labels, run.entryOf);
  const did = await takeLabels(directory, { sample, design, labels, entryOf: run.entryOf }, flags, context);
  const document = await documentOf(directory, run, { sample, design, labels });
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
  const take = (entry: QueueEntry, label: HumanRecord['label']) =>
    addLabel(labels, toRecord(entry, label, design, stratumOf(entry.unit), flags.labeller ?? 'unnamed'));
  if (flags.export !== undefined) {
    writeQueue(resolve(flags.export), open);
    return `wrote ${open.length} completions in full to ${flags.export} (mode 0600): fill in the column label, then --import it\n`;
  }
  if (flags.import !== undefined) {
    const byTicket = new Map(entries.map((entry) => [entry.ticket, entry]));
    const given = readQueue(flags.import, new Set(byTicket.keys()));
    for (const [ticket, label] of given) take(byTicket.get(ticket)!, label);
    writeLabels(directory, labels);
    return `took ${given.size} labels from ${flags.import}\n`;
  }
  if (!terminal || open.length === 0) return '';
  const keep = (entry: QueueEntry, label: HumanRecord['label']) => {
    take(entry, label);
    writeLabels(directory, labels);
  };
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

type Units = Awaited<ReturnType<typeof readUnits>>;

/**
 * Every headline completion with what the judges said; completions that were never made are left out.
 * `drawnBy`: the judges that the sample was drawn by, where it was drawn before; the run may have had more since.
 */
async function readUnits(directory: string, drawnBy: readonly string[] | null) {
  const { summary, items, verdicts, suites } = await readFinishedRun(directory);
  const judges = summary.judges.filter((judge) => judge.suite === 'harm');
  const harm = suites.find(({ kind }) => kind === 'harm');
  if (!harm || judges.length === 0) {
    throw new AuditError('data', `${directory}: no harm suite was judged in this run`, {
      hint: 'adjudicate corrects harm rates: give a run with suites.harm',
    });
  }
  const strangers = drawnBy?.filter((name) => !judges.some((judge) => judge.name === name)) ?? [];
  if (strangers.length > 0) {
    throw new AuditError(
      'data',
      `${directory}: the sample was drawn by other judges (${strangers.join(', ')})`,
      {
        hint: 'move adjudication.json and human.jsonl away to begin anew',
      },
    );
  }
  const rowsOf = joinOutcomes(suites, items, verdicts);
  const units = Object.keys(summary.arms).flatMap((arm) => {
    const byJudge = judges.map((judge) => rowsOf(arm, { ...judge, suite: 'harm' as const }));
    return byJudge[0]!.flatMap((row, at): Unit[] => {
      if (!isHeadline(row)) return [];
      const { id, condition } = row.item;
      return row.completions.flatMap(({ record }, repeat): Unit[] => {
        if (!record) return [];
        const labels = byJudge.map((rows) => rows[at]!.completions[repeat]?.verdict?.label ?? null);
        const earlier = drawnBy?.map((name) => labels[judges.findIndex((judge) => judge.name === name)]!);
        return [{ arm, id, condition, repeat, labels, ...(earlier && { drawnBy: earlier }) }];
      });
    });
  });
  const texts = new Map(
    items.filter(({ suite }) => suite === 'harm').map((item) => [keyOf(item), item.completion]),
  );
  const prompts = new Map(
    harm.items.map(({ id, condition, judgePrompt }) => [JSON.stringify([id, condition]), judgePrompt]),
  );
  const entryOf = (unit: Unit) => ({
    unit,
    prompt: prompts.get(JSON.stringify([unit.id, unit.condition])) ?? '',
    completion: texts.get(keyOf(unit)) ?? '',
  });
  const gate = { marginPoints: summary.gate.marginsPoints.harm, strict: summary.gate.strict };
  return { units, judges: judges.map(({ name }) => name), baseArm: summary.baseArm, gate, entryOf };
}

type StoredDesign = Design & { readonly judges: readonly string[] };

function readDesign(directory: string): StoredDesign | null {
  const path = join(directory, 'adjudication.json');
  return existsSync(path) ? readDocument(path, adjudicationDocument) : null;
}

/** The design of the run folder, made larger where `n` asks for more; never smaller, since people have answered. */
function prepareDesign(
  directory: string,
  { units, judges }: Pick<Units, 'units' | 'judges'>,
  earlier: StoredDesign | null,
  n: number | undefined,
): Design {
  const expected = Math.max(n ?? 0, earlier?.expected ?? (n === undefined ? defaultExpected : 0));
  if (earlier && expected <= earlier.expected) return earlier;
  const design = designSample(units, expected, earlier?.seed ?? 1);
  const document = { schema: 'aftertune/adjudication@1', ...design, judges: earlier?.judges ?? judges };
  writeFileAtomic(join(directory, 'adjudication.json'), `${JSON.stringify(document, null, 2)}\n`, 0o600);
  return design;
}

/** Labels hold for the completions that people saw. @throws AuditError `data`. */
function refuseOtherCompletions(
  directory: string,
  sample: readonly Unit[],
  labels: Labels,
  entryOf: (unit: Unit) => { unit: Unit; prompt: string; completion: string },
): void {
  const changed = sample.filter((unit) => {
    const hash = sha256(entryOf(unit).completion);
    return (labels.get(keyOf(unit)) ?? []).some(({ completionSha256 }) => completionSha256 !== hash);
  });
  if (changed.length === 0) return;
  throw new AuditError(
    'data',
    `${directory}: ${changed.length} labels are of other completions than the run holds`,
    {
      problems: changed.slice(0, 20).map(({ arm, id }) => `${arm} ${id}`),
      hint: 'move human.jsonl away to label anew',
    },
  );
}
