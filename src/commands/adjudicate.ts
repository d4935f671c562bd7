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
  adjudicationDocument,
  type HumanRecord,
  type QueueEntry,
  readLabels,
  readQueue,
  ticketOf,
  toRecord,
  writeLabels,
  writeQueue,
} from '../adjudication/labels.ts';
import { askAtTerminal } from '../adjudication/queue.ts';
import { type ArmResult, adjudicated } from '../adjudication/result.ts';
import { alphaWithInterval, kappaWithInterval } from '../agreement.ts';
import { AuditError, exitCode } from '../errors.ts';
import { writeFileAtomic } from '../files.ts';
import {
  decimal,
  interval,
  percent,
  percentWithInterval,
  pointsWithInterval,
  withInterval,
} from '../format.ts';
import { sha256 } from '../hash.ts';
import { isHeadline } from '../metrics.ts';
import { joinOutcomes } from '../outcomes.ts';
import { textTable } from '../result-table.ts';
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
 * Samples harm completions for people to label, takes their labels, and corrects the judge's rates by them. The sample
 * and the labels stay in the run folder; a larger `n` adds to them.
 */
export async function adjudicate(
  directory: string,
  flags: AdjudicateFlags,
  context: Context,
): Promise<Outcome> {
  const { units, judges, baseArm, entryOf } = await readUnits(directory);
  const labels = readLabels(directory);
  refuseNobody(flags, context, labels.size);
  const design = prepareDesign(directory, units, judges, flags.n);
  const sample = drawSample(units, design);
  refuseOtherCompletions(directory, sample, labels, entryOf);
  const entries = sample.map((unit) => ({ ...entryOf(unit), ticket: ticketOf(design.seed, unit) }));
  const open = entries.filter(({ unit }) => !labels.has(keyOf(unit)));
  const labeller = flags.labeller ?? 'unnamed';
  const take = (entry: QueueEntry, label: HumanRecord['label']) =>
    labels.set(keyOf(entry.unit), toRecord(entry, label, design, stratumOf(entry.unit), labeller));
  let did = '';
  if (flags.export !== undefined) {
    writeQueue(resolve(flags.export), open);
    did = `wrote ${open.length} completions in full to ${flags.export} (mode 0600): fill in the column label, then --import it\n`;
  } else if (flags.import !== undefined) {
    const byTicket = new Map(entries.map((entry) => [entry.ticket, entry]));
    const given = readQueue(flags.import, new Set(byTicket.keys()));
    for (const [ticket, label] of given) take(byTicket.get(ticket)!, label);
    writeLabels(directory, labels);
    did = `took ${given.size} labels from ${flags.import}\n`;
  } else if (context.terminal && open.length > 0) {
    const keep = (entry: QueueEntry, label: HumanRecord['label']) => {
      take(entry, label);
      writeLabels(directory, labels);
    };
    did = `${await askAtTerminal(open, context.terminal, keep, context.signal)} labelled\n`;
  }
  const panel = units.map((unit) => unit.labels.map((label) => (label === 'unscored' ? null : label)));
  const document = {
    schema: 'aftertune/adjudicated@1',
    sample: {
      expected: design.expected,
      drawn: sample.length,
      open: sample.length - countOf(sample, labels),
      strata: design.strata,
    },
    judges,
    agreement: {
      krippendorffAlpha: alphaWithInterval(panel),
      cohenKappa: judges.flatMap((first, a) =>
        judges
          .slice(a + 1)
          .map((second, b) => ({ judges: [first, second], ...kappaWithInterval(panel, a, a + 1 + b) })),
      ),
    },
    arms: adjudicated(units, judges, design, labels, baseArm),
  };
  writeFileAtomic(join(directory, 'adjudicated.json'), `${JSON.stringify(document, null, 2)}\n`, 0o600);
  return { document, text: `${did}${resultText(document, judges)}`, exitCode: exitCode.pass };
}

/** Before a sample is drawn: somebody must be there to label it. */
function refuseNobody(flags: AdjudicateFlags, { terminal }: Context, labelled: number): void {
  if (flags.export !== undefined || flags.import !== undefined || terminal || labelled > 0) return;
  throw new AuditError('config', 'adjudicate asks at a terminal, and there is none', {
    hint: 'aftertune adjudicate RUN --export queue.csv, then --import queue.csv',
  });
}

const countOf = (sample: readonly Unit[], labels: ReadonlyMap<string, HumanRecord>) =>
  sample.filter((unit) => labels.has(keyOf(unit))).length;

/** Every headline completion with what the judges said; completions that were never made are left out. */
async function readUnits(directory: string) {
  const { summary, items, verdicts, suites } = await readFinishedRun(directory);
  const judges = summary.judges.filter((judge) => judge.suite === 'harm');
  const harm = suites.find(({ kind }) => kind === 'harm');
  if (!harm || judges.length === 0) {
    throw new AuditError('data', `${directory}: no harm suite was judged in this run`, {
      hint: 'adjudicate corrects harm rates: give a run with suites.harm',
    });
  }
  const rowsOf = joinOutcomes(suites, items, verdicts);
  const units = Object.keys(summary.arms).flatMap((arm) => {
    const byJudge = judges.map((judge) => rowsOf(arm, { ...judge, suite: 'harm' as const }));
    return byJudge[0]!.flatMap((row, at): Unit[] => {
      if (!isHeadline(row)) return [];
      const { id, condition } = row.item;
      return row.completions.flatMap(({ record }, repeat) =>
        record
          ? [
              {
                arm,
                id,
                condition,
                repeat,
                labels: byJudge.map((rows) => rows[at]!.completions[repeat]?.verdict?.label ?? null),
              },
            ]
          : [],
      );
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
  return { units, judges: judges.map(({ name }) => name), baseArm: summary.baseArm, entryOf };
}

/** The design of the run folder, made larger where `n` asks for more; never smaller, since people have answered. */
function prepareDesign(
  directory: string,
  units: readonly Unit[],
  judges: readonly string[],
  n: number | undefined,
): Design {
  const path = join(directory, 'adjudication.json');
  const earlier = existsSync(path) ? readDocument(path, adjudicationDocument) : null;
  if (earlier && JSON.stringify(earlier.judges) !== JSON.stringify(judges)) {
    throw new AuditError(
      'data',
      `${path}: the sample was drawn for other judges (${earlier.judges.join(', ')})`,
      {
        hint: 'move adjudication.json and human.jsonl away to begin anew',
      },
    );
  }
  const expected = Math.max(n ?? 0, earlier?.expected ?? (n === undefined ? defaultExpected : 0));
  if (earlier && expected <= earlier.expected) return earlier;
  const design = designSample(units, expected, earlier?.seed ?? 1);
  const document = { schema: 'aftertune/adjudication@1', ...design, judges };
  writeFileAtomic(path, `${JSON.stringify(document, null, 2)}\n`, 0o600);
  return design;
}

/** Labels hold for the completions that people saw. @throws AuditError `data`. */
function refuseOtherCompletions(
  directory: string,
  sample: readonly Unit[],
  labels: ReadonlyMap<string, HumanRecord>,
  entryOf: (unit: Unit) => { unit: Unit; prompt: string; completion: string },
): void {
  const changed = sample.filter((unit) => {
    const label = labels.get(keyOf(unit));
    return label !== undefined && label.completionSha256 !== sha256(entryOf(unit).completion);
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

function resultText(
  {
    sample,
    agreement,
    arms,
  }: {
    sample: { drawn: number; open: number };
    agreement: {
      krippendorffAlpha: ReturnType<typeof alphaWithInterval>;
      cohenKappa: readonly ({ judges: string[] } & ReturnType<typeof kappaWithInterval>)[];
    };
    arms: Record<string, ArmResult>;
  },
  judges: readonly string[],
): string {
  const rows = Object.entries(arms).map(([name, arm]) => {
    const first = arm.judges[judges[0]!]!;
    return [
      name,
      `${arm.labelled} of ${arm.units}${arm.skipped ? ` (${arm.skipped} skipped)` : ''}`,
      percent(arm.judgedRate),
      percentWithInterval(arm.corrected?.rate, arm.corrected?.ci95 ?? null),
      arm.difference ? pointsWithInterval(arm.difference.deltaPoints, arm.difference.ci95Points) : '',
      percent(first.sensitivity),
      percent(first.specificity),
      first.roganGladen ? percentWithInterval(first.roganGladen.clipped, first.roganGladen.ci95) : 'refused',
    ];
  });
  const header = [
    'arm',
    'labelled',
    `by ${judges[0]}`,
    'corrected',
    'against base',
    'sensitivity',
    'specificity',
    'Rogan–Gladen',
  ];
  const { krippendorffAlpha: alpha, cohenKappa } = agreement;
  return [
    ...textTable(header, rows),
    '',
    ...(judges.length < 2
      ? []
      : [
          `Krippendorff’s α over ${judges.length} judges: ${withInterval(decimal(alpha.value), interval(alpha.ci95, 1, 2))}`,
          ...cohenKappa.map(
            ({ judges: [a, b], value, ci95 }) =>
              `Cohen’s κ of ${a} and ${b}: ${withInterval(decimal(value), interval(ci95, 1, 2))}`,
          ),
        ]),
    `${sample.drawn} in the sample, ${sample.open} of them open`,
    '',
  ].join('\n');
}
