import { count, percentWithInterval } from '../format.ts';
import { armToHtml, type Page } from '../html/marks.ts';
import { tableToHtml } from '../html/table.ts';
import { drawSvg, escapeXml as escapeHtml } from '../plot.ts';
import type { Cell } from '../report/document.ts';
import { liveLoss } from './live-loss.ts';
import type { LiveRun } from './live-run.ts';
import { liveMain, marksOf, pageToHtml, runLinks } from './page.ts';

/** The page of a run that is not finished; its script keeps `#live` up to date. */
export async function livePage(run: LiveRun, id: string): Promise<string> {
  const main = liveMain({ status: statusText(run), html: await liveSections(run) });
  return pageToHtml({
    title: run.name,
    kicker: run.status === 'running' ? 'A run that is going on' : 'A run that was interrupted',
    links: runLinks(id, run.status === 'finished'),
    main,
    script: 'live',
  });
}

/** How far the run is, in a sentence. */
export function statusText({ status, progress, log, read }: LiveRun): string {
  if (status === 'finished') return 'Finished.';
  if (read < 1) return `Reading what the run has written: ${Math.floor(100 * read)} % so far.`;
  if (status === 'interrupted')
    return 'Nobody works on this run: it was interrupted. The command that began it goes on where it stopped.';
  const steps = progress.flatMap((arm) => arm.steps.map((step) => ({ ...step, arm: arm.arm })));
  const ready = steps.filter(({ done, total }) => done >= total).length;
  const last = log.at(-1);
  const now = last
    ? `${last.stage} ${last.label}: ${count(last.done)} of ${count(last.total)} ${last.unit}`
    : '';
  const far = steps.length > 0 ? `${ready} of ${steps.length} steps are done` : 'Nothing is planned yet';
  return now ? `${far}. Now ${now}.` : `${far}.`;
}

/** What is shown of a run, from progress to log. */
export async function liveSections(run: LiveRun): Promise<string> {
  const page = marksOf(run.arms, run.baseArm);
  return [
    damageToHtml(run),
    section('progress', 'Progress', progressToHtml(run, page)),
    section('rates', 'Rates so far', ratesToHtml(run, page)),
    section('loss', 'Training loss so far', await lossToHtml(run)),
    section('log', 'Log', logToHtml(run)),
  ].join('\n');
}

const section = (id: string, title: string, body: string) =>
  body === ''
    ? ''
    : `<section id="section-${id}" aria-labelledby="${id}"><h2 id="${id}">${title}</h2>${body}</section>`;

function damageToHtml({ damage }: LiveRun): string {
  if (damage.length === 0) return '';
  return `<div class="notice" id="damage"><ul class="prose">${damage.map((text) => `<li>${escapeHtml(text)}</li>`).join('')}</ul></div>`;
}

function progressToHtml({ progress }: LiveRun, page: Page): string {
  const rows = progress.flatMap(({ arm, steps }) =>
    steps.map(({ what, done, total, detail }) => {
      const name = escapeHtml(`${arm}, ${what}`);
      return `<tr><th scope="row">${armToHtml(arm, page)}</th><td>${escapeHtml(what)}</td><td class="number">${count(done)} / ${count(total)}</td><td><progress max="${total}" value="${Math.min(done, total)}" aria-label="${name}"></progress></td><td>${escapeHtml(detail)}</td></tr>`;
    }),
  );
  if (rows.length === 0) return '<p>The run has not written what it plans yet.</p>';
  return `<figure class="table"><figcaption id="progress-caption">Steps, answers and verdicts done of those planned.</figcaption>
<div class="scroll" id="progress-scroll" tabindex="0" role="group" aria-labelledby="progress-caption"><table aria-labelledby="progress-caption">
<thead><tr><th scope="col">arm</th><th scope="col">what</th><th scope="col" class="number">done</th><th scope="col">share</th><th scope="col">latest</th></tr></thead>
<tbody>${rows.join('')}</tbody></table></div></figure>`;
}

function ratesToHtml({ rates }: LiveRun, page: Page): string {
  if (rates.length === 0) return '<p>Nothing has been judged yet.</p>';
  const several =
    new Set(rates.map(({ suite, judge }) => `${suite} ${judge}`)).size >
    new Set(rates.map(({ suite }) => suite)).size;
  return tableToHtml(
    {
      kind: 'table',
      caption:
        'Over what is judged so far, with 95 % intervals; the arms may have come unequally far. A rate is final only in the report.',
      columns: [
        { title: 'measure' },
        { title: 'arm' },
        ...(several ? [{ title: 'judge' }] : []),
        { title: 'rate [95 %]', numeric: true },
        { title: 'of', numeric: true },
        { title: 'unscored', numeric: true },
      ],
      rows: rates.map(({ measure, arm, judge, positive, scored, unscored, rate, ci95 }): Cell[] => [
        measure,
        { arm },
        ...(several ? [judge] : []),
        percentWithInterval(rate, ci95),
        `${count(positive)} / ${count(scored)}`,
        count(unscored),
      ]),
      headers: 2,
    },
    page,
    'rates-caption',
  );
}

/** Drawn once for every state of them. */
const drawings = new WeakMap<LiveRun['losses'], Promise<string>>();

async function lossToHtml(run: LiveRun): Promise<string> {
  const chart = liveLoss(run);
  if (!chart) return '';
  const drawing = drawings.get(run.losses) ?? drawSvg(chart);
  drawings.set(run.losses, drawing);
  return `<figure><div class="scroll" id="loss-scroll" tabindex="0" role="group" aria-label="Training loss">${(await drawing).trimEnd()}</div><figcaption>Training loss per step, as far as it has come; while an arm is trained, about two steps a second are kept.</figcaption></figure>`;
}

function logToHtml({ log }: LiveRun): string {
  if (log.length === 0) return '';
  const lines = log.map(
    ({ at, stage, label, done, total, unit, detail }) =>
      `<li><time datetime="${at}">${at.slice(11, 19)}</time>${escapeHtml(`${stage} ${label}: ${count(done)}/${count(total)} ${unit}${detail ? `, ${detail}` : ''}`)}</li>`,
  );
  return `<ol class="log" id="log-lines" tabindex="0" aria-label="Log, newest first, times in UTC" reversed>${lines.reverse().join('')}</ol>`;
}
