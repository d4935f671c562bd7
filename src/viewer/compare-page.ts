import type { CompareFlags, compareRuns } from '../compare-runs.ts';
import { AuditError } from '../errors.ts';
import { count, points, pointsWithInterval, pSentence } from '../format.ts';
import { tableToHtml } from '../html/table.ts';
import { escapeXml as escapeHtml } from '../plot.ts';
import type { Cell, Table } from '../report/document.ts';
import { metricName } from '../report/lead.ts';
import type { CatalogueEntry } from './catalogue.ts';
import { compareForm } from './index-page.ts';
import { indexLink, marksOf, pageToHtml, runAddress } from './page.ts';

type Comparison = Awaited<ReturnType<typeof compareRuns>>;

/** Two runs against each other, or by name why they must not be compared. */
export function comparePage(
  runs: readonly CatalogueEntry[],
  [first, second]: readonly [CatalogueEntry, CatalogueEntry],
  flags: CompareFlags,
  outcome: Comparison | AuditError,
): string {
  const form = compareForm(
    runs.filter(({ status }) => status === 'finished'),
    { first: first.id, second: second.id, factors: flags.factor ?? [] },
  );
  const main = outcome instanceof AuditError ? refusal(outcome) : comparison(outcome, first, second);
  return pageToHtml({
    title: `${second.name} against ${first.name}`,
    kicker: 'Two runs compared',
    links: [
      indexLink,
      { href: runAddress(first.id), text: first.name },
      { href: runAddress(second.id), text: second.name },
    ],
    main: `${main}\n${form}`,
    script: 'tables',
  });
}

function refusal({ message, problems, hint }: AuditError): string {
  const list = problems.map((problem) => `<li>${escapeHtml(problem)}</li>`).join('');
  // The hint names flags of the command line; here the boxes below do the same.
  const advice = hint?.includes('--factor')
    ? 'Run both with the same settings, or tick below what is under test.'
    : (hint ?? '');
  return `<div class="notice" role="alert"><p>${escapeHtml(message)}</p>${list ? `<ul class="prose">${list}</ul>` : ''}<p>${escapeHtml(advice)}</p></div>`;
}

function comparison({ arms, differences }: Comparison, first: CatalogueEntry, second: CatalogueEntry) {
  const rows = arms.flatMap(({ from, to, metrics }) =>
    metrics.map(({ metric, deltaPoints, ci95Points, rose, fell, p, pairs, dropped, verdict }): Cell[] => [
      from === to ? { arm: from } : `${from} → ${to}`,
      metricName(metric).replaceAll('_', ' '),
      ci95Points ? pointsWithInterval(deltaPoints, ci95Points) : points(deltaPoints),
      `+${count(rose)} −${count(fell)}`,
      pSentence(p),
      dropped === 0 ? count(pairs) : `${count(pairs)} (${count(dropped)} dropped)`,
      verdict ? { verdict } : '–',
    ]),
  );
  const table: Table = {
    kind: 'table',
    caption: `Percentage points, ${second.name} minus ${first.name}, paired by item, with 95 % intervals. Verdicts go by the first run’s margins.`,
    columns: [
      { title: 'arm' },
      { title: 'metric' },
      { title: 'change [95 %]', numeric: true },
      { title: 'rose, fell', numeric: true },
      { title: 'test', numeric: true },
      { title: 'pairs', numeric: true },
      { title: 'verdict' },
    ],
    rows,
    headers: 2,
  };
  const declared = differences.map(({ factor, what }) => `<li>${escapeHtml(`${factor}: ${what}`)}</li>`);
  const note =
    declared.length > 0
      ? `<div class="notice"><p>Declared to be under test, and different:</p><ul class="prose">${declared.join('')}</ul></div>`
      : '';
  return `${note}${tableToHtml(table, marksOf(first.arms, first.arms[0] ?? ''), 'comparison')}`;
}
