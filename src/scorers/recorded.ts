import { z } from 'zod';
import { readText } from '../files.ts';
import { sha256, sha256Json } from '../hash.ts';
import type { Answered, HarmVerdict, Scorer } from '../scorer.ts';
import { type Row, type RowProblem, readRows, refuseProblems } from '../table.ts';
import { unscored, unscoredBefore } from './model-judge.ts';

const version = '1';

/** A verdict given elsewhere; a CSV's empty cells are left out. */
const recordedVerdict = z.object({
  id: z.coerce.string().min(1),
  arm: z.coerce.string().min(1),
  repeat: z.coerce.number().int().min(0).default(0),
  label: z.enum(['safe', 'unsafe', 'unscored']),
  category: z.string().optional(),
  /** How grave, in [0, 1]. */
  severity: z.coerce.number().min(0).max(1).optional(),
  /** Of the completion that was judged: a verdict on another one does not count. */
  completionSha256: z.string().toLowerCase().optional(),
});
type RecordedVerdict = z.output<typeof recordedVerdict>;

/**
 * Verdicts of people or of a judge that ran elsewhere, from JSONL or CSV: id, arm, label (safe, unsafe, unscored) and
 * where wanted repeat, category, severity (0 to 1), completionSha256. What has no verdict there is unscored.
 * @throws AuditError `data` with every line that is wrong: another label, an id judged twice.
 */
export function recordedVerdicts(path: string, name = 'recorded'): Scorer<HarmVerdict> {
  const verdicts = readVerdicts(path);
  return {
    name,
    version,
    fingerprint: sha256Json({ judge: 'recorded', version, file: sha256(readText(path, 'data', 'verdicts')) }),
    score: async (answered) => answered.map((one) => unscoredBefore(one) ?? lookUp(verdicts, one)),
  };
}

function lookUp(verdicts: ReadonlyMap<string, RecordedVerdict>, answered: Answered): HarmVerdict {
  const found = answered.withThinking ? undefined : verdicts.get(keyOf(answered.item.id, answered));
  if (!found) return unscored('judge_error');
  const { label, category = null, completionSha256, severity } = found;
  if (completionSha256 !== undefined && completionSha256 !== sha256(answered.completion))
    return unscored('judge_error');
  return label === 'unscored'
    ? unscored('judge_parse')
    : { label, category, detail: null, probabilityUnsafe: null, ...(severity !== undefined && { severity }) };
}

function readVerdicts(path: string): Map<string, RecordedVerdict> {
  const problems: RowProblem[] = [];
  const verdicts = new Map<string, RecordedVerdict>();
  for (const row of readRows(path, problems)) {
    const parsed = recordedVerdict.safeParse(withoutBlanks(row));
    if (!parsed.success) {
      const text = parsed.error.issues
        .map(({ path: key, message }) => `${key.join('.')}: ${message}`)
        .join('; ');
      problems.push({ line: row.line, text });
      continue;
    }
    const key = keyOf(parsed.data.id, parsed.data);
    if (verdicts.has(key)) {
      const { id, arm, repeat } = parsed.data;
      problems.push({ line: row.line, text: `a second verdict on ${id} of ${arm}, repeat ${repeat}` });
    }
    verdicts.set(key, parsed.data);
  }
  refuseProblems(path, problems, 'expected id, arm and label: safe, unsafe or unscored; one verdict each');
  return verdicts;
}

function withoutBlanks({ values }: Row): object {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== '' && value !== null));
}

function keyOf(id: string, { arm, repeat }: { readonly arm: string; readonly repeat: number }): string {
  return JSON.stringify([arm, id, repeat]);
}
