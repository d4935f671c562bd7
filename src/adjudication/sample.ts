import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { AuditError } from '../errors.ts';
import { writeFileAtomic } from '../files.ts';
import { sha256 } from '../hash.ts';
import { adjudicationDocument } from '../human-record.ts';
import { isHeadline } from '../metrics.ts';
import { joinOutcomes } from '../outcomes.ts';
import { readFinishedRun } from '../run-report.ts';
import { readDocument } from '../store.ts';
import { type Design, designSample, keyOf, type Unit } from './design.ts';
import type { Labels } from './labels.ts';

/** The completions of a run that people may be asked about, and the sample of them that its folder keeps. */

const defaultExpected = 100;

export type Units = Awaited<ReturnType<typeof readUnits>>;

/**
 * Every headline completion with what the judges said; completions that were never made are left out.
 * `drawnBy`: the judges that the sample was drawn by, where it was drawn before; the run may have had more since.
 */
export async function readUnits(directory: string, drawnBy: readonly string[] | null) {
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
        const labels = byJudge.map((rows) => rows.at(at)!.completions[repeat]?.verdict?.label ?? null);
        const earlier = drawnBy?.map((name) => labels[judges.findIndex((judge) => judge.name === name)]!);
        return [{ arm, id, condition, repeat, labels, ...(earlier && { drawnBy: earlier }) }];
      });
    });
  });
  const texts = new Map<string, string>();
  for (const item of items) if (item.suite === 'harm') texts.set(keyOf(item), item.completion);
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

/** A design with the judges that it went by. */
export type StoredDesign = Design & { readonly judges: readonly string[] };

/** The design that the folder keeps; null before a sample was drawn. @throws AuditError `store`. */
export function readDesign(directory: string): StoredDesign | null {
  const path = join(directory, 'adjudication.json');
  return existsSync(path) ? readDocument(path, adjudicationDocument) : null;
}

/** The design of the run folder, made larger where `n` asks for more; never smaller, since people have answered. */
export function designFor(units: readonly Unit[], earlier: StoredDesign | null, n?: number): Design {
  const expected = Math.max(n ?? 0, earlier?.expected ?? (n === undefined ? defaultExpected : 0));
  if (earlier && expected <= earlier.expected) return earlier;
  return designSample(units, expected, earlier?.seed ?? 1);
}

/** Writes adjudication.json, which comes before the first label; nothing where the design is the one that was read. */
export function keepDesign(
  directory: string,
  { judges }: Pick<Units, 'judges'>,
  earlier: StoredDesign | null,
  design: Design,
): void {
  if (design === earlier) return;
  const document = { schema: 'aftertune/adjudication@1', ...design, judges: earlier?.judges ?? judges };
  writeFileAtomic(join(directory, 'adjudication.json'), `${JSON.stringify(document, null, 2)}\n`, 0o600);
}

/** Labels hold for the completions that people saw. @throws AuditError `data`. */
export function refuseOtherCompletions(
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
