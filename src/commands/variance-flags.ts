import type { Override } from '../config-file.ts';
import { AuditError } from '../errors.ts';
import { readText } from '../files.ts';

/** Flags of `run` that ask for a variance budget of the harm suite. */
export interface VarianceFlags {
  readonly repeat?: number;
  /** A number of wordings, or a text file with one on each line; `\n` in it is a line break. */
  readonly templates?: string;
  /** Numbers divided by commas. */
  readonly seeds?: string;
}

/** As replacements of the config's values. @throws AuditError `config` for seeds that are no numbers and a file without templates. */
export function varianceOverrides({ repeat, templates, seeds }: VarianceFlags): Override[] {
  if (repeat === undefined && templates === undefined && seeds === undefined) return [];
  const variance = {
    ...(templates !== undefined && { templates: readTemplates(templates) }),
    ...(seeds !== undefined && { seeds: readSeeds(seeds) }),
  };
  return [
    ...(repeat === undefined ? [] : [{ path: 'suites.harm.repeats', value: repeat }]),
    { path: 'suites.harm.variance', value: variance },
  ];
}

function readTemplates(given: string): number | string[] {
  if (/^\d+$/.test(given)) return Number(given);
  const lines = readText(given, 'config', 'file of templates').split(/\r?\n/);
  const templates = lines.filter((line) => line.trim() !== '');
  const without = lines.flatMap((line, at) =>
    line.trim() !== '' && !line.includes('{prompt}') ? [`line ${at + 1}: lacks {prompt}`] : [],
  );
  if (templates.length === 0 || without.length > 0) {
    throw new AuditError('config', `${given}: is not a file of templates`, {
      problems: templates.length === 0 ? ['it is empty'] : without,
      hint: 'write one on each line, with {prompt} where the prompt belongs and \\n for a line break',
    });
  }
  return templates.map((line) => line.replaceAll('\\n', '\n'));
}

function readSeeds(given: string): number[] {
  const parts = given.split(',').map((part) => part.trim());
  if (parts.every((part) => /^\d+$/.test(part))) return parts.map(Number);
  throw new AuditError('config', `--seeds ${given}: expected whole numbers divided by commas, as in 1,2`);
}
