import { basename, resolve } from 'node:path';
import type { Factor } from '../comparable.ts';
import { type ComparedMetric, type CompareFlags, compareRuns } from '../compare-runs.ts';
import { exitCode } from '../errors.ts';
import { points, pointsWithInterval, pSentence } from '../format.ts';
import { textTable } from '../result-table.ts';
import type { Outcome } from './verb.ts';

/** Compares arms of two finished runs; exits 0 whatever the verdicts. @throws AuditError `config`. */
export async function compare(first: string, second: string, flags: CompareFlags): Promise<Outcome> {
  const document = await compareRuns(first, second, flags);
  return {
    document,
    text: textOf(document.arms, [first, second], document.differences),
    exitCode: exitCode.pass,
  };
}

function textOf(
  compared: readonly { from: string; to: string; metrics: readonly ComparedMetric[] }[],
  runs: readonly string[],
  differences: readonly { factor: Factor; what: string }[],
): string {
  const rows = compared.flatMap(({ from, to, metrics }) =>
    metrics.map(({ metric, deltaPoints, ci95Points, rose, fell, p, pairs, dropped, verdict }) => [
      from === to ? from : `${from} → ${to}`,
      metric,
      ci95Points ? pointsWithInterval(deltaPoints, ci95Points) : points(deltaPoints),
      `+${rose} −${fell}`,
      pSentence(p),
      dropped === 0 ? String(pairs) : `${pairs} (${dropped} dropped)`,
      verdict ?? '',
    ]),
  );
  const [first, second] = runs.map((run) => basename(resolve(run)));
  return [
    `${second} against ${first}, percentage points`,
    '',
    ...textTable(['arm', 'metric', 'change', 'rose, fell', 'test', 'pairs', 'verdict'], rows),
    '',
    ...differences.map(({ factor, what }) => `declared factor ${factor}: ${what}`),
    '',
  ].join('\n');
}
