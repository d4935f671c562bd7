import type { RunDocument } from './record.ts';
import type { ReportInput } from './report.ts';

/** What a report prints of run.json. */

/** The run's name as its config gave it. */
export function runName(run: RunDocument): string {
  const { name } = run.config.resolved as { name?: unknown };
  return typeof name === 'string' ? name : 'audit';
}

/** What a report prints of run.json: hashes, seeds and versions. */
export function factsOf(run: RunDocument): ReportInput['facts'] {
  return {
    'Files (SHA-256)': run.hashes,
    Seeds: run.seeds,
    Versions: run.versions,
    Config: { 'SHA-256': run.configSha256 },
    ...(run.judgings && {
      'Judged later': Object.fromEntries(run.judgings.map(({ name, at }) => [name, at])),
    }),
  };
}
