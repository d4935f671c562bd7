import { escapeXml as escapeHtml } from '../plot.ts';
import type { ComparedPart, Finding, GatedMetric, Lead } from '../report/document.ts';
import { armToHtml, chip, type Page } from './marks.ts';

/** The verdict, what decided it, what changed per arm, and what was compared. */
export function leadToHtml(lead: Lead, page: Page): string {
  const { verdict, outcome, sentence, alarms, exitCode, findings, gated, compared } = lead;
  const cards = findings.map((finding) => findingToHtml(finding, page));
  const strip = gated.map((metric) => gatedToHtml(metric, page));
  return `<section class="lead lead-${verdict.toLowerCase()}" aria-label="Verdict">
<p class="verdict">${chip(verdict)}<span class="exit">exit code ${exitCode}</span></p>
${outcome === null ? '' : `<p class="sentence">${escapeHtml(outcome)}</p>\n`}<p class="${outcome === null ? 'sentence' : 'gate-sentence'}">${escapeHtml(sentence)}</p>
${alarms.map((alarm) => `<p class="alarm"><strong>Warning:</strong> ${escapeHtml(alarm)}</p>\n`).join('')}${strip.length > 0 ? `<ul class="strip" aria-label="Gated metrics">\n${strip.join('\n')}\n</ul>\n` : ''}${cards.length > 0 ? `<ul class="cards">\n${cards.join('\n')}\n</ul>` : ''}
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
