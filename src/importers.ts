import { AuditError } from './errors.ts';
import type { Importer } from './importer.ts';
import { garak } from './importers/garak.ts';
import { harmbench } from './importers/harmbench.ts';
import { inspect } from './importers/inspect.ts';
import { jailbreakbench } from './importers/jailbreakbench.ts';
import { lmEval } from './importers/lm-eval.ts';
import { promptfoo } from './importers/promptfoo.ts';
import type { SourceFile } from './source-file.ts';

export { readUnsafeScore } from './importers/score.ts';

/** The tools whose records can be imported; the first that recognises a file reads it. */
const importers: readonly Importer[] = [inspect, promptfoo, jailbreakbench, harmbench, lmEval, garak];

/** What --format may be. */
export const formats: readonly string[] = ['auto', ...importers.map(({ name }) => name)];

/** @throws AuditError `config` for an unknown format, `data` for a file that no importer recognises. */
export async function importerOf(file: SourceFile, format: string): Promise<Importer> {
  if (format !== 'auto') {
    const named = importers.find(({ name }) => name === format);
    if (named) return named;
    throw new AuditError('config', `--format ${format}: there is ${formats.join(', ')}`);
  }
  for (const importer of importers) if (await importer.recognises(file)) return importer;
  throw new AuditError('data', `${file.path}: not a record of a tool that is known here`, {
    problems: importers.map(({ name, what }) => `${name}: ${what}`),
    hint: 'say which it is with --format, to hear what is wrong with it',
  });
}
