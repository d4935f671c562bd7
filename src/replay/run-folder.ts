import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { z } from 'zod';
import { defaultGate } from '../config.ts';
import { AuditError } from '../errors.ts';
import { type MarginRecord, marginRecord } from '../harm-record.ts';
import { parseLine } from '../journal.ts';
import { createOutcomeTable, type OutcomeTable } from '../outcome-table.ts';
import { addVerdict, generationFacts, type PlannedSuite } from '../outcomes.ts';
import {
  itemRecord,
  type RunDocument,
  runDocument,
  type Summary,
  summary as summaryDocument,
  type VerdictRecord,
  verdictRecord,
} from '../record.ts';
import { readDocument } from '../store.ts';
import type { SuiteJudge, SummarySetting } from '../summarise.ts';
import { eachLine, type Watch } from './lines.ts';
import { readPlan } from './plan.ts';
import type { Recorded } from './recorded.ts';

/** What a summary needs of a resolved config; an importer's run may leave most of it out. */
const resolvedConfig = z.object({
  name: z.string().optional(),
  baseArm: z.string().optional(),
  arms: z.array(z.object({ name: z.string(), gated: z.boolean().optional() })).optional(),
  gate: z
    .object({
      marginsPoints: z
        .object({
          harm: z.number(),
          overRefusal: z.number(),
          accuracy: z.number(),
          utility: z.number().exactOptional(),
        })
        .optional(),
      strict: z.boolean().optional(),
    })
    .optional(),
  suites: z.object({ drift: z.object({ knownSubset: z.boolean().optional() }).optional() }).optional(),
});
type ResolvedConfig = z.infer<typeof resolvedConfig>;

/**
 * Reads a run folder (run.json, setting.json, items.jsonl, verdicts.jsonl) for a summary computed anew.
 * What no record says (training, judges' versions, caveats from planning) is taken from summary.json where there is one.
 * @throws AuditError `store` or `data` when something is damaged or there twice.
 */
export async function readRunFolder(directory: string, watch: Watch): Promise<Recorded> {
  const path = (name: string) => join(directory, name);
  const run = readDocument(path('run.json'), runDocument);
  const stored = existsSync(path('summary.json'))
    ? readDocument(path('summary.json'), summaryDocument)
    : null;
  const table = createOutcomeTable();
  const suites = readPlan(path('setting.json'), table.plan);
  const seen: Seen = { arms: new Set(), judges: new Map(), unplanned: 0 };
  await readItems(path('items.jsonl'), table, seen, watch);
  await readVerdicts(path('verdicts.jsonl'), table, seen, watch);
  const margins = await readMargins(path('margins.jsonl'), watch);
  const config = configOf(directory, run);
  return {
    name: config.name ?? basename(directory),
    files: ['run.json', 'setting.json', 'items.jsonl', 'verdicts.jsonl'].map(path),
    table,
    caveats: stored?.caveats ?? [],
    setting: {
      ...settingOf(config, seen, suites, stored),
      // Margins count with the tokens they were measured with, which no other document says.
      ...(stored?.refusalTokens && { margins, refusalTokens: stored.refusalTokens }),
    },
  };
}

interface Seen {
  readonly arms: Set<string>;
  /** By suite, name and fingerprint, in the order of their first verdict. */
  readonly judges: Map<string, SuiteJudge>;
  unplanned: number;
}

async function readItems(path: string, table: OutcomeTable, seen: Seen, watch: Watch): Promise<void> {
  await eachLine(
    path,
    (text, line, whole) => {
      // A run that was cut off may have left half a line; resuming drops it too.
      if (!whole) return;
      const record = parseLine(text, itemRecord, path, line);
      seen.arms.add(record.arm);
      const added = table.addGeneration(record, generationFacts(record));
      if (added === 'replaced') throw twice(path, line, record);
      if (added === 'unplanned') seen.unplanned++;
    },
    watch,
  );
}

async function readVerdicts(path: string, table: OutcomeTable, seen: Seen, watch: Watch): Promise<void> {
  await eachLine(
    path,
    (text, line, whole) => {
      if (!whole) return;
      const verdict = parseLine(text, verdictRecord, path, line);
      const { suite, judge: name, judgeFingerprint: fingerprint } = verdict;
      const key = `${suite}\u0000${name}\u0000${fingerprint}`;
      if (!seen.judges.has(key)) seen.judges.set(key, { suite, name, version: '–', fingerprint });
      if (addVerdict(table, verdict) === 'replaced') throw twice(path, line, verdict);
    },
    watch,
  );
}

async function readMargins(path: string, watch: Watch): Promise<MarginRecord[]> {
  const margins: MarginRecord[] = [];
  if (!existsSync(path)) return margins;
  await eachLine(
    path,
    (text, line, whole) => {
      if (whole) margins.push(parseLine(text, marginRecord, path, line));
    },
    watch,
  );
  return margins;
}

type Place = Pick<VerdictRecord, 'arm' | 'suite' | 'id' | 'condition' | 'repeat'>;

function twice(path: string, line: number, { arm, suite, id, condition, repeat }: Place): AuditError {
  const what = [arm, suite, id, condition, `repeat ${repeat}`].join(', ');
  return new AuditError('data', `${path}: line ${line}: ${what} is there twice`, {
    hint: 'two runs may have been put together: keep one line of each',
  });
}

function configOf(directory: string, { config }: RunDocument): ResolvedConfig {
  const parsed = resolvedConfig.safeParse(config.resolved);
  if (parsed.success) return parsed.data;
  throw new AuditError(
    'store',
    `${join(directory, 'run.json')}: its config does not say what a summary needs`,
    {
      hint: 'written by another version, or changed by hand',
      problems: parsed.error.issues.map(
        (issue) => `config.resolved.${issue.path.join('.')}: ${issue.message}`,
      ),
    },
  );
}

function settingOf(
  { arms, baseArm, gate, suites: asked }: ResolvedConfig,
  { arms: answered, judges, unplanned }: Seen,
  suites: readonly PlannedSuite[],
  stored: Summary | null,
): SummarySetting {
  const names = arms ?? [...answered].map((name) => ({ name, gated: true }));
  const known = stored?.judges ?? [];
  const others = [...judges.values()].filter(
    ({ suite, name, fingerprint }) =>
      !known.some(
        (judge) => judge.suite === suite && judge.name === name && judge.fingerprint === fingerprint,
      ),
  );
  const unjudged = [...new Set(suites.map(({ kind }) => kind))]
    .filter((kind) => ![...known, ...others].some(({ suite }) => suite === kind))
    .map((suite): SuiteJudge => ({ suite, name: 'none', version: '–', fingerprint: 'none' }));
  return {
    arms: names.map(({ name, gated = true }) => ({
      name,
      gated,
      training: stored?.arms[name]?.training ?? null,
    })),
    baseArm: baseArm ?? names[0]?.name ?? '',
    suites,
    judges: [...known, ...others, ...unjudged],
    knownSubset: asked?.drift?.knownSubset ?? false,
    gate: {
      marginsPoints: gate?.marginsPoints ?? defaultGate.marginsPoints,
      strict: gate?.strict ?? defaultGate.strict,
    },
    notes:
      unplanned === 0
        ? []
        : [
            `${unplanned} recorded answers are to prompts that setting.json does not hold; they are left out.`,
          ],
  };
}
