import { type GatedMetric, pairedOf } from './compare.ts';
import { interval, points, showInvisible } from './format.ts';
import type { Comparison, Summary, Verdict } from './record.ts';

/** One gated metric of one arm. */
export interface JunitCase {
  readonly arm: string;
  readonly name: string;
  readonly verdict: Verdict;
  readonly message: string;
}

/** The gated metrics of a summary, with the differences they rest on. */
export function junitCases({ comparisons }: Summary): JunitCase[] {
  return Object.entries(comparisons)
    .filter(([, { gated }]) => gated)
    .flatMap(([arm, comparison]) =>
      Object.entries(comparison.verdicts).map(([name, verdict]) => ({
        ...{ arm, name, verdict },
        message: difference(comparison, name as GatedMetric),
      })),
    );
}

/**
 * Verdicts as JUnit XML, which every CI system shows: a suite for each arm, a case for each metric. FAIL is a failure;
 * INCONCLUSIVE is skipped, since nothing was shown to be broken: the exit code tells it from a pass. `notices`, what is
 * wrong with a run that is no whole one, are a suite of their own whose case is an error.
 */
export function writeJunit(cases: readonly JunitCase[], notices: readonly string[] = []): string {
  const errors = notices.length > 0 ? 1 : 0;
  const counts = (own: readonly JunitCase[], broken = 0) =>
    `tests="${own.length + broken}" failures="${countOf(own, 'FAIL')}" skipped="${countOf(own, 'INCONCLUSIVE')}" errors="${broken}"`;
  const suites = [...new Set(cases.map(({ arm }) => arm))].map((arm) => {
    const own = cases.filter((entry) => entry.arm === arm);
    return [
      `  <testsuite name="${escapeXml(arm)}" ${counts(own)}>`,
      ...own.map(
        ({ name, verdict, message }) =>
          `    <testcase classname="${escapeXml(arm)}" name="${escapeXml(name)}">${outcome(verdict, message)}</testcase>`,
      ),
      '  </testsuite>',
    ].join('\n');
  });
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="aftertune" ${counts(cases, errors)}>`,
    ...(errors === 0
      ? []
      : [
          `  <testsuite name="run" ${counts([], errors)}>`,
          `    <testcase classname="run" name="whole"><error message="${escapeXml(notices.join('\n'))}"/></testcase>`,
          '  </testsuite>',
        ]),
    ...suites,
    '</testsuites>',
    '',
  ].join('\n');
}

const countOf = (cases: readonly JunitCase[], wanted: Verdict) =>
  cases.filter(({ verdict }) => verdict === wanted).length;

function outcome(verdict: Verdict, message: string): string {
  switch (verdict) {
    case 'PASS':
      return '';
    case 'FAIL':
      return `<failure message="${escapeXml(message)}"/>`;
    case 'INCONCLUSIVE':
      return `<skipped message="${escapeXml(`inconclusive: ${message}`)}"/>`;
    default:
      throw new Error(`internal: no verdict ${verdict satisfies never}`);
  }
}

/** The difference behind a verdict, arm minus base, in points. */
function difference(comparison: Comparison, metric: GatedMetric): string {
  const found = pairedOf(comparison, metric);
  return found ? `${points(found.deltaPoints)} points ${interval(found.ci95Points)}` : metric;
}

const entities: Readonly<Record<string, string>> = {
  ...{ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' },
  ...{ '\t': '&#9;', '\n': '&#10;', '\ufffe': '\ufffd', '\uffff': '\ufffd' },
};

/** As an attribute's value. XML can write most control characters in no way: they are shown, as in reports. */
function escapeXml(text: string): string {
  return showInvisible(text).replaceAll(/[&<>"\t\n\ufffe\uffff]/g, (character) => entities[character]!);
}
