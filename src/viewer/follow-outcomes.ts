import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { z } from 'zod';
import { AuditError } from '../errors.ts';
import { itemRecord, verdictRecord } from '../record.ts';
import { type SettingDocument, settingDocument } from '../setting.ts';
import { readDocument } from '../store.ts';
import { type Counts, createCounts } from './counts.ts';
import { tail } from './tail.ts';

/** What the journals of a run hold by now. */
export interface Outcomes {
  readonly counts: Counts;
  /** The plan; null where the run has not written it yet. */
  readonly setting: SettingDocument | null;
  /** Whether anything is new since the last look. */
  readonly changed: boolean;
  readonly damage: readonly string[];
}

/** A long journal that was not read yet is read on in the next look. */
const mostMs = 300;

/** Every call reads what the journals have more than at the last. */
export function followOutcomes(directory: string): () => Outcomes {
  let reading = begin(directory, null);
  return () => {
    if (!reading.setting) {
      const setting = readPlan(directory);
      if (setting) reading = begin(directory, setting);
    }
    let changed = reading.fresh;
    reading.fresh = false;
    const until = performance.now() + mostMs;
    while (performance.now() < until) {
      const { lines, restarted } = reading.read();
      // Resuming rewrites a journal to drop half a batch: both are counted anew.
      if (restarted) reading = begin(directory, reading.setting);
      else if (lines === 0) break;
      changed = true;
    }
    return { counts: reading.counts, setting: reading.setting, changed, damage: [...reading.damage] };
  };
}

function begin(directory: string, setting: SettingDocument | null) {
  const items = tail(join(directory, 'items.jsonl'));
  const verdicts = tail(join(directory, 'verdicts.jsonl'));
  const counts = createCounts(setting);
  const damage = new Set<string>();
  const take = <T>(
    lines: readonly string[],
    schema: z.ZodType<T>,
    name: string,
    add: (record: T) => void,
  ) => {
    for (const line of lines) {
      const record = parseOrNull(line, schema);
      if (record) add(record);
      else damage.add(`${name} has lines that cannot be read: they are left out here`);
    }
  };
  const read = () => {
    const [newItems, newVerdicts] = [items.read(), verdicts.read()];
    take(newItems.lines, itemRecord, 'items.jsonl', counts.answer);
    take(newVerdicts.lines, verdictRecord, 'verdicts.jsonl', counts.verdict);
    return {
      lines: newItems.lines.length + newVerdicts.lines.length,
      restarted: newItems.restarted || newVerdicts.restarted,
    };
  };
  return { setting, counts, damage, read, fresh: true };
}

/** One line of JSON as its record; null where it is damaged. */
export function parseOrNull<T>(line: string, schema: z.ZodType<T>): T | null {
  try {
    return schema.safeParse(JSON.parse(line)).data ?? null;
  } catch {
    return null;
  }
}

function readPlan(directory: string): SettingDocument | null {
  const path = join(directory, 'setting.json');
  if (!existsSync(path)) return null;
  try {
    return readDocument(path, settingDocument);
  } catch (error) {
    if (error instanceof AuditError) return null;
    throw error;
  }
}
