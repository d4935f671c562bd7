import { factors } from '../comparable.ts';
import { percentWithInterval } from '../format.ts';
import { armToHtml, chip } from '../html/marks.ts';
import { escapeXml as escapeHtml } from '../plot.ts';
import type { CatalogueEntry } from './catalogue.ts';
import { marksOf, pageToHtml, runAddress } from './page.ts';

/** Every run with its state, verdict and headline; two of them can be compared. */
export function indexPage(runs: readonly CatalogueEntry[]): string {
  const finished = runs.filter(({ status }) => status === 'finished');
  const main =
    runs.length === 0
      ? '<p>No runs here yet. A run appears when it is begun: load this page again.</p>'
      : `${runTable(runs)}${finished.length > 1 ? compareForm(finished) : ''}`;
  const kicker = runs.length === 1 ? 'One run' : `${runs.length} runs`;
  return pageToHtml({ title: 'Runs', kicker, links: [], main, script: 'tables' });
}

const states: Record<CatalogueEntry['status'], string> = {
  finished: 'finished',
  running: '<span class="state-running">running</span>',
  interrupted: 'interrupted',
  unreadable: '<span class="state-damaged">damaged</span>',
};

function runTable(runs: readonly CatalogueEntry[]): string {
  const rows = runs.toReversed().map(({ id, name, status, verdict, arms, rates, answers, started }) => {
    // The base is the first arm as a rule; marks only tell arms apart here.
    const page = marksOf(arms, arms[0] ?? '');
    const shown = rates.map(
      ({ arm, rate, ci95 }) => `<li>${armToHtml(arm, page)} ${percentWithInterval(rate, ci95)}</li>`,
    );
    const headline =
      shown.length > 0
        ? `<ul class="rates">${shown.join('')}</ul>`
        : arms.map((arm) => armToHtml(arm, page)).join(' ');
    return `<tr><th scope="row"><a href="${runAddress(id)}"><bdi>${escapeHtml(name)}</bdi></a></th><td>${states[status]}</td><td>${verdict ? chip(verdict) : '–'}</td><td>${headline}</td><td class="number">${answers}</td><td>${escapeHtml(started.slice(0, 16).replace('T', ' '))}</td></tr>`;
  });
  return `<figure class="table">
<figcaption id="runs-caption">Newest first; attack success rate per arm with its 95 % interval, copyright rows left out. Times are UTC.</figcaption>
<div class="scroll" tabindex="0" role="group" aria-labelledby="runs-caption"><table aria-labelledby="runs-caption">
<thead><tr><th scope="col">run</th><th scope="col">state</th><th scope="col">verdict</th><th scope="col">arms</th><th scope="col" class="number">answers</th><th scope="col">begun</th></tr></thead>
<tbody>
${rows.join('\n')}
</tbody>
</table></div>
</figure>`;
}

/** Of two finished runs; `chosen` are those that are compared already. */
export function compareForm(
  runs: readonly CatalogueEntry[],
  chosen: { readonly first?: string; readonly second?: string; readonly factors?: readonly string[] } = {},
): string {
  const [older, newer] = runs.slice(-2);
  const select = (name: string, label: string, id: string | undefined) =>
    `<div><label for="compare-${name}">${label}</label><select id="compare-${name}" name="${name}">${runs
      .map(
        (run) =>
          `<option value="${run.id}"${run.id === id ? ' selected' : ''}>${escapeHtml(run.name)}</option>`,
      )
      .join('')}</select></div>`;
  const boxes = factors.map(
    (factor) =>
      `<label><input type="checkbox" name="factor" value="${factor}"${chosen.factors?.includes(factor) ? ' checked' : ''}> ${factor}</label>`,
  );
  return `<section aria-labelledby="compare">
<h2 id="compare">Compare two runs</h2>
<form class="tools" action="/compare" method="get">
${select('first', 'From', chosen.first ?? older?.id)}
${select('second', 'to', chosen.second ?? newer?.id)}
<fieldset><legend>Under test, and so allowed to differ</legend>${boxes.join('')}</fieldset>
<button class="press" type="submit">Compare</button>
</form>
</section>`;
}
