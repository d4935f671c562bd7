import { join } from 'node:path';
import { absent, interval, percentWithInterval, points, showInvisible } from './format.ts';
import { intervalBars } from './interval-bars.ts';
import type { ArmSummary, Comparison, Summary } from './record.ts';

/** Columns of the terminal: `COLUMNS`, else what it says itself; 80 where there is none. */
const terminalWidth = () => Number(process.env.COLUMNS) || process.stdout.columns || 80;

/**
 * A summary as plain text for a terminal: a row for each arm, the rates drawn, then what changed against the base and
 * the gate. It has no colours, and what a run's files say cannot bring any.
 */
export function resultTable(summary: Summary, width = terminalWidth()): string {
  const arms = Object.entries(summary.arms);
  const hasUtility = arms.some(([, { utility }]) => utility);
  const lines = [
    ...textTable(
      ['arm', ...resultColumns(arms)],
      arms.map(([name, arm]) => [name, ...resultRow(arm, arms)]),
    ),
    '',
    ...intervalBars(summary, width),
    ...textTable(
      [
        `against ${oneLine(summary.baseArm)}, points`,
        'attack success',
        'over-refusal',
        'accuracy',
        ...(hasUtility ? ['utility'] : []),
        'verdict',
      ],
      Object.entries(summary.comparisons).map(([name, comparison]) => [
        name,
        ...comparisonRow(comparison, hasUtility),
      ]),
    ),
    '',
    `gate: ${summary.gate.verdict} (exit code ${summary.gate.exitCode})`,
  ];
  return `${lines.join('\n')}\n`;
}

type NamedArms = readonly (readonly [string, ArmSummary])[];

function conditionsOf(arms: NamedArms): string[] {
  return [...new Set(arms.flatMap(([, { drift }]) => Object.keys(drift ?? {})))];
}

function resultColumns(arms: NamedArms): string[] {
  const has = (key: 'harm' | 'overRefusal' | 'utility') => arms.some(([, arm]) => arm[key]);
  return [
    ...(has('harm') ? ['attack success'] : []),
    ...(has('overRefusal') ? ['over-refusal'] : []),
    ...conditionsOf(arms).flatMap((condition) => [
      `right, ${condition}`,
      ...(condition === 'base_prompt' ? [] : [`adopted, ${condition}`]),
    ]),
    ...(has('utility') ? ['utility'] : []),
  ].map((title) => title.replace('_prompt', '').replace('_context', ''));
}

function resultRow(arm: ArmSummary, arms: NamedArms): string[] {
  const has = (key: 'harm' | 'overRefusal' | 'utility') => arms.some(([, other]) => other[key]);
  return [
    ...(has('harm') ? [rate(arm.harm?.headline)] : []),
    ...(has('overRefusal') ? [rate(arm.overRefusal)] : []),
    ...conditionsOf(arms).flatMap((condition) => {
      const drift = arm.drift?.[condition];
      const right = percentWithInterval(drift?.accuracy, drift?.accuracyCi95);
      return condition === 'base_prompt'
        ? [right]
        : [right, percentWithInterval(drift?.adoption, drift?.adoptionCi95)];
    }),
    ...(has('utility') ? [rate(arm.utility?.all)] : []),
  ];
}

function rate(share: { rate: number | null; ci95: readonly [number, number] | null } | undefined): string {
  return percentWithInterval(share?.rate, share?.ci95);
}

function comparisonRow(
  { harmHeadline, overRefusal, drift, utility, verdicts, gated }: Comparison,
  hasUtility: boolean,
): string[] {
  const change = (value: number | null | undefined, bounds: readonly [number, number] | null | undefined) =>
    value === null || value === undefined ? absent : `${points(value)} ${interval(bounds)}`;
  const known = drift?.base_prompt;
  const decided = Object.entries(verdicts);
  const failed = decided.filter(([, verdict]) => verdict !== 'PASS');
  const passed = decided.length === 0 ? absent : 'PASS';
  const word = failed.map(([metric, verdict]) => `${metric} ${verdict}`).join(', ') || passed;
  return [
    change(harmHeadline?.deltaPoints, harmHeadline?.ci95Points),
    change(overRefusal?.deltaPoints, overRefusal?.ci95Points),
    change(known?.deltaAccuracyPoints, known?.ci95Points),
    ...(hasUtility ? [change(utility?.deltaPoints, utility?.ci95Points)] : []),
    gated ? word : `not gated (${word})`,
  ];
}

/** Columns padded to their widest cell. */
export function textTable(header: readonly string[], cells: readonly (readonly string[])[]): string[] {
  const rows = cells.map((row) => row.map(oneLine));
  const widths = header.map((title, column) =>
    Math.max(...[header, ...rows].map((row) => (row[column] ?? '').length), title.length),
  );
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd();
  return [line(header), widths.map((width) => '─'.repeat(width)).join('  '), ...rows.map(line)];
}

/** Nothing in it that a terminal would obey. */
const oneLine = (text: string) => showInvisible(text).replace(/\s+/g, ' ');

/** What a verb that ends in a summary prints of it. */
export function resultText(summary: Summary, directory: string): string {
  const caveats = summary.caveats.map((caveat) => `  ${oneLine(caveat)}\n`).join('');
  return `${resultTable(summary)}${caveats ? `\ncaveats\n${caveats}` : ''}\nreport: ${join(directory, 'report.html')}\n`;
}
