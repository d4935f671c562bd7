import { factors } from '../comparable.ts';
import { count, percentWithInterval, plural } from '../format.ts';
import { armToHtml, chip } from '../html/marks.ts';
import { escapeXml as escapeHtml } from '../plot.ts';
import type { CatalogueEntry } from './catalogue.ts';
import { type LiveState, liveMain, marksOf, pageToHtml, runAddress } from './page.ts';

/** Every run with its state, verdict and headline, kept up to date; two of them can be compared. */
export function indexPage(runs: readonly CatalogueEntry[]): string {
  const main = liveMain(indexState(runs));
  return pageToHtml({ title: 'Runs', kicker: 'What is here', links: [], main, script: 'index' });
}

export function indexState(runs: readonly CatalogueEntry[]): LiveState {
  if (runs.length === 0) return { status: 'No runs here yet. A run appears when it is begun.', html: '' };
  const finished = runs.filter(({ status }) => status === 'finished');
  const counted = Object.entries(states).flatMap(([state, { text }]) => {
    const n = runs.filter(({ status }) => status === state).length;
    return n === 0 ? [] : [`${count(n)} ${text}`];
  });
  return {
    status: `${plural(runs.length, 'run')}: ${counted.join(', ')}.`,
    html: `${runTable(runs)}${finished.length > 1 ? compareForm(finished) : ''}`,
  };
}

const states: Record<CatalogueEntry['status'], { readonly text: string; readonly html: string }> = {
  running: { text: 'running', html: '<span class="state-running">running</span>' },
  finished: { text: 'finished', html: 'finished' },
  interrupted: { text: 'interrupted', html: 'interrupted' },
  unreadable: { text: 'damaged', html: '<span class="state-damaged">damaged</span>' },
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
        : `<span class="arms">${arms.map((arm) => armToHtml(arm, page)).join(' ')}</span>`;
    return `<tr id="run-${id}"><th scope="row"><a href="${runAddress(id)}"><bdi>${escapeHtml(name)}</bdi></a></th><td>${states[status].html}</td><td>${verdict ? chip(verdict) : '–'}</td><td>${headline}</td><td class="number">${count(answers)}</td><td>${escapeHtml(started.slice(0, 16).replace('T', ' '))}</td></tr>`;
  });
  return `<figure class="table" id="runs">
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
  return `<section id="compare-runs" aria-labelledby="compare">
<h2 id="compare">Compare two runs</h2>
<form class="tools" action="/compare" method="get">
${select('first', 'From', chosen.first ?? older?.id)}
${select('second', 'to', chosen.second ?? newer?.id)}
<fieldset><legend>Under test, and so allowed to differ</legend>${boxes.join('')}</fieldset>
<button class="press" type="submit">Compare</button>
</form>
</section>`;
}
