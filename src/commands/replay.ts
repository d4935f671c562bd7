import { join, resolve } from 'node:path';
import { exitCode } from '../errors.ts';
import { sha256File } from '../hash.ts';
import { replay as replayOutcomes } from '../replay/replay.ts';
import { replayText } from '../replay/replay-text.ts';
import { type Context, collectEarly, type Outcome } from './verb.ts';

/** Analyses recorded outcomes without a model; exits 0 whatever the verdicts. */
export async function replay(
  source: string,
  flags: { published?: string; out?: string },
  { onProgress, signal }: Context,
): Promise<Outcome> {
  collectEarly();
  const published = flags.published === undefined ? null : resolve(flags.published);
  const { name, summary, files, ...outcomes } = await replayOutcomes(source, published, {
    onProgress,
    signal,
  });
  const text = replayText(summary);
  if (flags.out === undefined) return { document: summary, text, exitCode: exitCode.pass };
  const { writeReport } = await import('../report.ts');
  const hashes: Record<string, string> = {};
  for (const file of files) hashes[file] = await sha256File(file);
  const out = resolve(flags.out);
  const input = { name, summary, ...outcomes, items: [], verdicts: [], suites: [], histories: {} };
  await writeReport(out, { ...input, facts: { 'Files (SHA-256)': hashes } }, { showCompletions: false });
  return {
    document: summary,
    text: `${text}\nreport: ${join(out, 'report.html')}\n`,
    exitCode: exitCode.pass,
  };
}
