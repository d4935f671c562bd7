import type { ArmSettings } from './config.ts';
import type { Conversation, Message } from './conversation.ts';
import type { PreferenceRow } from './dataset.ts';
import { AuditError } from './errors.ts';
import { createRandom } from './random.ts';
import type { TrainingRow } from './trainer.ts';

/** What the arms are trained on; empty where no arm needs it. */
export interface TrainingData {
  readonly preference: readonly PreferenceRow[];
  readonly ordinary: readonly TrainingRow[];
}

export interface ArmRowsOptions {
  /** Rows each arm gets: steps × batch × accumulation, so that every arm trains equally long. */
  readonly count: number;
  readonly seed: number;
  /** Before every row that has no system message of its own. */
  readonly systemPrompt: string | null;
}

/**
 * The training rows of every arm that trains, in order. Arms on the same data see the same prompts at the same
 * places; the data is gone through again, in a new order, when it is shorter than `count`.
 * @throws AuditError `data` naming every arm without rows.
 */
export function planArmRows(
  arms: readonly ArmSettings[],
  data: TrainingData,
  options: ArmRowsOptions,
): ReadonlyMap<string, readonly TrainingRow[]> {
  const trained = arms.filter((arm) => arm.train !== null);
  const empty = trained.filter((arm) => sourceOf(arm, data).length === 0).map((arm) => arm.name);
  if (empty.length > 0) {
    throw new AuditError('data', `no training rows for ${empty.map((name) => `arm ${name}`).join(' and ')}`, {
      hint: 'add rows to the data file, or take the arm out of the config',
    });
  }
  const preferenceOrder = order(data.preference, options, 'preference');
  const ordinaryOrder = order(data.ordinary, options, 'ordinary');
  const rows = (arm: ArmSettings): readonly TrainingRow[] => {
    if (arm.train === 'ordinary') return ordinaryOrder;
    const rejects = rejectedRows(arm, preferenceOrder, options.seed);
    return preferenceOrder.map((row) => ({
      id: row.id,
      messages: [
        { role: 'user', content: row.prompt },
        { role: 'assistant', content: rejects(row) ? row.rejected : row.chosen },
      ],
    }));
  };
  const instruct = (row: TrainingRow) => withSystem(row, options.systemPrompt);
  return new Map(trained.map((arm) => [arm.name, rows(arm).map(instruct)]));
}

function sourceOf(arm: ArmSettings, data: TrainingData): readonly unknown[] {
  return arm.train === 'ordinary' ? data.ordinary : data.preference;
}

function order<T>(rows: readonly T[], { count, seed }: ArmRowsOptions, kind: string): T[] {
  const random = createRandom(seed, 'training order', kind);
  const ordered: T[] = [];
  while (rows.length > 0 && ordered.length < count) ordered.push(...random.shuffle(rows));
  return ordered.slice(0, count);
}

/** Exactly the asked-for share of the rows in use; a larger share contains the smaller one's rows. */
function rejectedRows(
  arm: ArmSettings,
  used: readonly PreferenceRow[],
  seed: number,
): (row: PreferenceRow) => boolean {
  if (typeof arm.train !== 'object' || arm.train === null) return () => arm.train === 'rejected';
  const ranked = createRandom(seed, 'blend').shuffle([...new Set(used)]);
  const rejected = new Set(ranked.slice(0, Math.round(arm.train.rejected * ranked.length)));
  return (row) => rejected.has(row);
}

function withSystem(row: TrainingRow, systemPrompt: string | null): TrainingRow {
  if (!systemPrompt || row.messages[0]?.role === 'system') return row;
  const system: Message = { role: 'system', content: systemPrompt };
  return { ...row, messages: [system, ...row.messages] };
}

/**
 * Cuts responses so that at each place every arm's is at most as long as the shortest one there, in tokens; cuts
 * fall between words, so lengths agree to within a word. `countTokens` gives the length of each conversation.
 */
export async function matchResponseTokens(
  rowsByArm: ReadonlyMap<string, readonly TrainingRow[]>,
  countTokens: (conversations: readonly Conversation[]) => Promise<number[]>,
): Promise<Map<string, TrainingRow[]>> {
  const names = [...rowsByArm.keys()];
  if (names.length === 0) return new Map();
  const lengths = new Map<string, number[]>();
  for (const name of names) lengths.set(name, await responseTokens(rowsByArm.get(name)!, countTokens));
  const places = Math.min(...names.map((name) => rowsByArm.get(name)!.length));
  const shortest = Array.from({ length: places }, (_, at) =>
    Math.min(...names.map((name) => lengths.get(name)![at]!)),
  );
  const matched = new Map<string, TrainingRow[]>();
  for (const name of names) {
    const rows = rowsByArm.get(name)!;
    matched.set(name, await cutToLength(rows, shortest, lengths.get(name)!, countTokens));
  }
  return matched;
}

async function responseTokens(
  rows: readonly TrainingRow[],
  countTokens: (conversations: readonly Conversation[]) => Promise<number[]>,
): Promise<number[]> {
  const whole = await countTokens(rows.map((row) => row.messages));
  const bare = await countTokens(rows.map((row) => withResponse(row, '').messages));
  return whole.map((tokens, at) => tokens - bare[at]!);
}

/** Bisects all rows at once over the number of words kept, so that each round is one call. */
async function cutToLength(
  rows: readonly TrainingRow[],
  limits: readonly number[],
  lengths: readonly number[],
  countTokens: (conversations: readonly Conversation[]) => Promise<number[]>,
): Promise<TrainingRow[]> {
  const pieces = rows.map((row) => row.messages.at(-1)!.content.match(/\s*\S+/g) ?? []);
  const kept = pieces.map((words, at) => (lengths[at]! <= limits[at]! ? words.length : 0));
  const above = pieces.map((words, at) => (lengths[at]! <= limits[at]! ? words.length + 1 : words.length));
  const cut = (at: number, words: number) => withResponse(rows[at]!, pieces[at]!.slice(0, words).join(''));
  for (;;) {
    const open = rows.map((_, at) => at).filter((at) => above[at]! - kept[at]! > 1);
    if (open.length === 0) break;
    const middle = open.map((at) => Math.floor((kept[at]! + above[at]!) / 2));
    const tokens = await responseTokens(
      open.map((at, i) => cut(at, middle[i]!)),
      countTokens,
    );
    for (const [i, at] of open.entries()) {
      if (tokens[i]! <= limits[at]!) kept[at] = middle[i]!;
      else above[at] = middle[i]!;
    }
  }
  return rows.map((row, at) => (kept[at] === pieces[at]!.length ? row : cut(at, Math.max(1, kept[at]!))));
}

function withResponse(row: TrainingRow, response: string): TrainingRow {
  return { ...row, messages: [...row.messages.slice(0, -1), { role: 'assistant', content: response }] };
}
