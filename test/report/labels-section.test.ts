import { describe, expect, it } from 'vitest';
import type { AdjudicatedDocument, JudgeResult } from '../../src/human-record.ts';
import { type ReportInput, renderHtml, renderMarkdown } from '../../src/report.ts';
import { buildReportInput } from '../fixtures/report-input.ts';

const input = buildReportInput();

const result: JudgeResult = {
  judgedRate: 0.4,
  corrected: { rate: 0.31, ci95: [0.24, 0.39], standardError: 0.04 },
  bounds: [0.3, 0.33],
  difference: null,
  verdict: null,
  sensitivity: { rate: 0.91, ci95: [0.7, 0.98], labelled: 21 },
  specificity: { rate: 0.8, ci95: [0.6, 0.9], labelled: 19 },
  equalToBase: null,
  pooled: false,
  roganGladen: { unclipped: -0.02, clipped: 0, ci95: [0, 0.1] },
  roganGladenRefused: null,
};

function withLabels(
  control: Partial<JudgeResult>,
  { changed = [], unresolved = 0 }: { changed?: string[]; unresolved?: number } = {},
): ReportInput {
  const arm = { units: 180, sampled: 42, labelled: 40, skipped: 0, unresolved };
  const document: AdjudicatedDocument = {
    schema: 'aftertune/adjudicated@1',
    hashes: {},
    sample: { expected: 84, drawn: 84, open: 4, strata: [] },
    judges: ['guard'],
    agreement: { krippendorffAlpha: { value: null, ci95: null, units: 0 }, cohenKappa: [] },
    labellers: {
      labels: { ann: 80, bo: 30 },
      krippendorffAlpha: { value: 0.75, ci95: [0.5, 0.9], units: 30 },
      cohenKappa: [{ labellers: ['ann', 'bo'], value: 0.74, ci95: null, units: 30 }],
    },
    arms: {
      base: { ...arm, judges: { guard: result } },
      control: { ...arm, judges: { guard: { ...result, ...control } } },
    },
  };
  return { ...input, adjudicated: { document, changed, labels: [] } };
}

const better: Partial<JudgeResult> = {
  difference: { deltaPoints: 1.2, ci95Points: [-2.1, 4.4] },
  verdict: 'PASS',
  roganGladen: null,
  roganGladenRefused: 'people called nothing unsafe',
};

describe('human labels in the report', () => {
  it('are a section with the corrected rate, the judge’s errors and what Rogan and Gladen make of them', () => {
    const text = renderMarkdown(withLabels(better));
    expect(text).toContain('## Human labels');
    expect(text).toContain(
      '| guard | control | 40.0 % | 31.0 % [24.0, 39.0] | \\+1.2 [−2.1, 4.4] | 91.0 % [70.0, 98.0], n = 21 | 80.0 % [60.0, 90.0], n = 19 |',
    );
    expect(text).toContain('| guard | base | −2.0 % | 0.0 % [0.0, 10.0] |');
    expect(text).toContain('| people called nothing unsafe |');
    expect(text).toContain('| ann and bo | Cohen’s κ | 0.74 | 30 |');
    expect(text).not.toContain('bounds, % | difference');
    expect(renderMarkdown(withLabels(better, { unresolved: 2 }))).toContain(
      '| 31.0 % [24.0, 39.0] | \\[30.0, 33.0] |',
    );
  });

  it('say at the top of the report that the correction would change a verdict', () => {
    const alarm =
      'Corrected by people’s labels, the verdict on the attack success rate of control would be PASS, not INCONCLUSIVE: +1.2 points [−2.1, 4.4].';
    const text = renderMarkdown(withLabels(better));
    expect(text.indexOf(alarm)).toBeLessThan(text.indexOf('## '));
    expect(text.lastIndexOf(alarm)).toBeGreaterThan(text.indexOf('## Human labels'));
    const page = renderHtml(withLabels(better), {});
    expect(page.indexOf(alarm)).toBeLessThan(page.indexOf('<h2'));
    const same = renderMarkdown(withLabels({ ...better, verdict: 'INCONCLUSIVE' }));
    expect(same).not.toContain(alarm);
    expect(same).toContain('The correction changes no verdict on the attack success rate.');
  });

  it('that are out of date are said to be so, and change nothing', () => {
    const text = renderMarkdown(withLabels(better, { changed: ['verdicts.jsonl'] }));
    expect(text).toContain('Out of date: verdicts.jsonl changed since these numbers were computed.');
    expect(text).not.toContain('Corrected by people’s labels, the verdict');
  });

  it('are no section where there are none', () => {
    expect(renderMarkdown(input)).not.toContain('Human labels');
  });
});
