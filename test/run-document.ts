import type { RunDocument } from '../src/record.ts';

/** The run.json of a run about nothing. */
export const emptyRun: RunDocument = {
  schema: 'aftertune/run@1',
  configSha256: 'a'.repeat(64),
  config: { passed: {}, resolved: {} },
  versions: {},
  seeds: {},
  hashes: {},
};
