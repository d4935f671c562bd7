import { plural } from '../format.ts';
import { escapeXml as escapeHtml } from '../plot.ts';
import type { ComparedPart, Finding, GatedMetric, Lead } from '../report/document.ts';
import { armToHtml, chip, type Page } from './marks.ts';

/** Of more arms the cards are folded away, and gated metrics that pass are counted. */
const mostOpen = 8;

/** The verdict, what decided it, what changed per arm, and what was compared. */
export function leadToHtml(lead: Lead, page: Page): string {
  const { verdict, outcome, sentence, alarms, exitCode, findings, gated, compared } = lead;
  const cards = findings.map((finding) => findingToHtml(finding, page));
  const many = findings.length > mostOpen;
  const strip = gated
    .filter((metric) => !many || metric.verdict !== 'PASS')
    .map((metric) => gatedToHtml(metric, page));
  const passed = many ? gated.length - strip.length : 0;
  const list = `<ul class="cards">\n${cards.join('\n')}\n</ul>`;
  return `<section class="lead lead-${verdict.toLowerCase()}" aria-label="Verdict">
<p class="verdict">${chip(verdict)}<span class="exit">exit code ${exitCode}</span></p>
${outcome === null ? '' : `<p class="sentence">${escapeHtml(outcome)}</p>\n`}<p class="${outcome === null ? 'sentence' : 'gate-sentence'}">${escapeHtml(sentence)}</p>
${alarms.map((alarm) => `<p class="alarm"><strong>Warning:</strong> ${escapeHtml(alarm)}</p>\n`).join('')}${strip.length > 0 ? `<ul class="strip" aria-label="Gated metrics">\n${strip.join('\n')}\n</ul>\n` : ''}${passed > 0 ? `<p>${chip('PASS')} on ${plural(passed, 'other gated metric')}, all in the table below.</p>\n` : ''}${cards.length === 0 ? '' : many ? `<details><summary>What changed in each of ${plural(cards.length, 'arm')}</summary>\n${list}\n</details>` : list}
${comparedToHtml(compared)}</section>`;
}

function findingToHtml({ arm, verdict, sentence, measures }: Finding, page: Page): string {
  const state = verdict ? chip(verdict) : '<span class="chip chip-none">not gated</span>';
  const rows = measures.map(
    ({ name, path, difference }) =>
      `<div><dt>${escapeHtml(name)}</dt><dd>${escapeHtml(path)}</dd><dd class="number">${escapeHtml(difference)}</dd></div>`,
  );
  return `<li>
<p class="card-head">${armToHtml(arm, page)}${state}</p>
${sentence === null ? '' : `<p>${escapeHtml(sentence)}</p>`}
${rows.length > 0 ? `<dl>\n${rows.join('\n')}\n</dl>` : ''}
</li>`;
}

function gatedToHtml({ arm, metric, verdict, difference, needed }: GatedMetric, page: Page): string {
  return `<li>${chip(verdict)} <span>${armToHtml(arm, page)} ${escapeHtml(metric)}</span> <span class="number">${escapeHtml(difference)}</span>${needed === null ? '' : ` <span class="note">${escapeHtml(needed)}</span>`}</li>`;
}

function comparedToHtml(parts: readonly ComparedPart[]): string {
  if (parts.length === 0) return '';
  const rows = parts.map(({ name, values }) => {
    const shown = values.map(
      ({ text, hash }) =>
        `<span><bdi>${escapeHtml(text)}</bdi>${hash === null ? '' : ` <code>${escapeHtml(hash)}</code>`}</span>`,
    );
    return `<div><dt>${escapeHtml(name)}</dt><dd>${shown.join(' ')}</dd></div>`;
  });
  return `<dl class="compared">\n${rows.join('\n')}\n</dl>\n`;
}
