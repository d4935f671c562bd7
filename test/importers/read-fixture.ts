import { join } from 'node:path';
import { packageRoot } from '../../src/files.ts';
import type { ReadOptions, Recording } from '../../src/importer.ts';
import { importerOf } from '../../src/importers.ts';
import { openSource } from '../../src/source-file.ts';
import { temporaryFile } from '../temporary-folder.ts';

export const fixture = (name: string) => join(packageRoot, 'test/fixtures/importers', name);

/** A fixture, or any file, as its importer reads it. */
export async function readFile(path: string, options: Partial<ReadOptions> = {}): Promise<Recording> {
  const file = openSource(path);
  const importer = await importerOf(file, 'auto');
  return importer.read(file, { unsafeScore: null, behaviours: null, part: null, ...options });
}

/** The same of a text. */
export function readText(name: string, text: string, options?: Partial<ReadOptions>): Promise<Recording> {
  return readFile(temporaryFile(name, text), options);
}

/** `id#repeat: label` of the deciding judge, `-` where it said nothing. */
export function labelsOf({ answers, judges }: Recording): string[] {
  return answers.map(({ id, repeat, outcomes }) => {
    const outcome = outcomes[judges[0]!.name];
    const reason = outcome && 'reason' in outcome ? ` ${outcome.reason}` : '';
    return `${id}#${repeat}: ${outcome?.label ?? '-'}${reason}`;
  });
}
