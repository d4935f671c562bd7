import { builtin } from '../builtin.ts';
import { overridesOf, type RunFlags } from '../commands.ts';
import { readConfigFile } from '../config-file.ts';
import { resolveConfig } from '../config-resolve.ts';
import { type DryRun, dryRun as plan } from '../dry-run.ts';
import { exitCode } from '../errors.ts';
import { durationText } from '../progress.ts';
import { textTable } from '../result-table.ts';
import { type VarianceFlags, varianceOverrides } from './variance-flags.ts';
import type { Outcome } from './verb.ts';

/** What `run` would do with a config: plan, requests, tokens and hours; no model, no server, no network. */
export async function dryRun(path: string, flags: RunFlags & VarianceFlags): Promise<Outcome> {
  const file = readConfigFile(path, [...varianceOverrides(flags), ...overridesOf(flags)]);
  const document = await plan(resolveConfig(file.input, file.directory), builtin);
  return { document, text: textOf(document), exitCode: exitCode.pass };
}

function textOf({
  name,
  model,
  arms,
  suites,
  openings,
  judges,
  total,
  cost,
  hours,
  assumptions,
  missing,
}: DryRun): string {
  const count = (value: number) => value.toLocaleString('en');
  const rows = [
    ...suites.map((suite) => [
      `${suite.kind}${suite.declared ? ' (declared)' : ''}`,
      String(suite.items),
      count(arms.length * suite.requests),
      count(arms.length * suite.read),
      count(arms.length * suite.written),
    ]),
    ...(openings
      ? [
          [
            'openings, of the base',
            String(openings.items),
            ...[openings.requests, openings.read, openings.written].map(count),
          ],
        ]
      : []),
    ...judges.map((judge) => [
      `judge ${judge.name}`,
      '',
      ...[judge.requests, judge.read, judge.written].map(count),
    ]),
    ['together', '', ...[total.requests, total.read, total.written].map(count)],
  ];
  const lines = [
    `${name}: ${model}`,
    ...arms.map((arm) => `  ${arm.name}: ${arm.from}`),
    '',
    ...textTable(['all arms', 'items', 'requests', 'tokens read', 'tokens written'], rows),
    '',
    `about ${durationText(hours * 3600)}${cost === null ? '' : `; ${cost.toFixed(2)} for the arms by model.budget.prices`}`,
    ...assumptions.map((assumption) => `  ${assumption}`),
    ...(missing.length > 0 ? ['', 'before it can run:', ...missing.map((step) => `  ${step}`)] : []),
  ];
  return `${lines.join('\n')}\n`;
}
