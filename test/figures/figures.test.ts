import { describe, expect, it } from 'vitest';
import { auroc, calibrationError, rocCurve } from '../../src/calibration.ts';
import type { Figure } from '../../src/figures/figure.ts';
import { sourceFiles } from '../../src/figures/figure.ts';
import { describeFigures } from '../../src/figures/figures.ts';
import { drawSvg } from '../../src/plot.ts';
import type { ReportInput } from '../../src/report.ts';
import { buildFigureInput } from '../fixtures/figure-input.ts';

const input = buildFigureInput();
const { summary } = input;
const figures = describeFigures(input);
const drawn = new Map<string, string>();
for (const figure of figures) drawn.set(figure.file, await drawSvg(figure));

const rowsOf = (file: string, of: readonly Figure[] = figures) =>
  of.find((figure) => figure.file === file)?.rows ?? [];
/** Shapes, lines and words that were drawn. */
const marksOf = (svg: string) => svg.match(/<(?:path|line|text|rect)[ >]/g)?.length ?? 0;
/** Without style, bare groups, words and the colour of ink, which are tested elsewhere; numbers to a tenth: what platforms change is less. */
const normalised = (svg: string) =>
  svg
    .replace(/<(style|title|desc)\b.*?<\/\1>/g, '')
    .replace(/-?\d+\.\d+/g, (number) => String(Number(Number(number).toFixed(1))))
    .replace(/<\/?g>| (?:fill|stroke)="currentColor"/g, '')
    .replaceAll('><', '>\n<');

describe('every figure', () => {
  it('is there, in the order of the report', () => {
    expect(figures.map(({ file }) => file)).toEqual([
      'effects.svg',
      'asr.svg',
      'asr-by-functional-category.svg',
      'asr-by-category.svg',
      'judge-agreement.svg',
      'refusal-margins.svg',
      'accuracy.svg',
      'adoption.svg',
      'flips.svg',
      'dose-response.svg',
      'uncertainty.svg',
      'reliability.svg',
      'roc.svg',
      'loss.svg',
    ]);
  });

  it.each(figures.map((figure) => [figure.file, figure] as const))(
    '%s is the golden one',
    async (file, figure) => {
      const svg = drawn.get(file)!;
      await expect(normalised(svg)).toMatchFileSnapshot(`../fixtures/figures/${file}`);
      expect(marksOf(svg)).toBeGreaterThan(15);
      expect(svg.length).toBeLessThan(150_000);
      expect(svg).not.toMatch(/NaN|undefined|Infinity|\bnull\b/);
      expect(figure.caption).toMatch(/\bn\b|\d+ answers|\d+ to \d+ answers|scored/);
      expect(figure.caption).toMatch(/interval|standard error/);
    },
  );

  it('says more than colour does: nothing is lost in black and white', () => {
    for (const svg of drawn.values()) expect(svg).not.toMatch(/(?:fill|stroke)="(?:black|#000)"/);
  });

  it('has its data and its specification, which compiles by itself', () => {
    for (const figure of figures) {
      const { csv, specification } = sourceFiles(figure);
      const lines = csv.trimEnd().split('\r\n');
      expect(lines.length).toBe(figure.rows.length + 1);
      expect(new Set(figure.rows.map((row) => Object.keys(row).join())).size).toBe(1);
      const document = JSON.parse(specification) as { $schema: string };
      expect(document.$schema).toContain('vega-lite/v6');
      expect(specification).not.toContain('currentColor');
    }
  });

  it('is drawn once for text, page and file', () => expect(describeFigures(input)).toBe(figures));
});

describe('numbers', () => {
  it('are the summary’s', () => {
    const { arms, comparisons } = summary;
    for (const { arm, unsafe, rate, low95 } of rowsOf('asr.svg')) {
      const own = arms[String(arm)]!.harm!.headline;
      expect([unsafe, rate, low95]).toEqual([own.unsafe, own.rate, own.ci95![0]]);
    }
    for (const file of ['accuracy', 'adoption'] as const) {
      for (const { condition, arm, rate, answers } of rowsOf(`${file}.svg`)) {
        const own = arms[String(arm)]!.drift![String(condition)]!;
        expect([rate, answers]).toEqual([own[file], own.n]);
      }
    }
    for (const { metric, arm, pointsWorse, verdict } of rowsOf('effects.svg')) {
      const own = comparisons[String(arm)]!;
      if (metric === 'attack success rate') {
        expect([pointsWorse, verdict]).toEqual([own.harmHeadline!.deltaPoints, own.verdicts.harmHeadline]);
      }
      if (metric === 'lost accuracy, base prompt') {
        expect(pointsWorse).toBe(0 - own.drift!.base_prompt!.deltaAccuracyPoints!);
        expect(verdict).toBe(own.verdicts.accuracy);
      }
    }
  });

  it('of the flip diagram are the summary’s flips, and all answers', () => {
    const rows = rowsOf('flips.svg');
    for (const [arm, { drift = {} }] of Object.entries(summary.arms)) {
      for (const [condition, own] of Object.entries(drift)) {
        if (condition === 'base_prompt') continue;
        const sum = (keep: (row: Record<string, unknown>) => boolean) =>
          rows
            .filter((row) => row.arm === arm && row.condition === condition && keep(row))
            .reduce((total, { answers }) => total + Number(answers), 0);
        expect(sum(() => true)).toBe(own.n);
        expect(sum(({ before, outcome }) => before === 'known' && outcome !== 'right')).toBe(
          own.correctToWrong,
        );
        expect(sum(({ before, outcome }) => before !== 'known' && outcome === 'right')).toBe(
          own.wrongToCorrect,
        );
        expect(sum(({ outcome }) => outcome === 'right') / own.n).toBeCloseTo(own.accuracy!, 12);
      }
    }
  });

  it('of the reliability diagram give ECE', () => {
    const rows = rowsOf('reliability.svg');
    for (const [arm, { drift = {} }] of Object.entries(summary.arms)) {
      for (const [condition, own] of Object.entries(drift)) {
        const bins = rows.filter((row) => row.arm === arm && row.condition === condition);
        expect(bins.length).toBe(own.eceBins);
        const n = bins.reduce((sum, { answers }) => sum + Number(answers), 0);
        const gap = bins.reduce(
          (sum, { answers, rate, confidence }) =>
            sum + Number(answers) * Math.abs(Number(rate) - Number(confidence)),
          0,
        );
        expect(gap / n).toBeCloseTo(own.ece!, 12);
      }
    }
  });

  it('of ROC are the summary’s AUROC, and nearly the area of what is drawn', () => {
    const rows = rowsOf('roc.svg');
    for (const [arm, { drift = {} }] of Object.entries(summary.arms)) {
      const own = rows.filter((row) => row.arm === arm && row.condition === 'base_prompt');
      expect(own[0]!.auroc).toBe(drift.base_prompt!.auroc);
      expect(
        areaUnder(own.map((row) => ({ wrong: Number(row.shareOfWrong), right: Number(row.shareOfRight) }))),
      ).toBeCloseTo(drift.base_prompt!.auroc!, 1);
    }
  });

  it('of the judges are κ, and every completion', () => {
    const rows = rowsOf('judge-agreement.svg');
    expect(rows.reduce((sum, { completions }) => sum + Number(completions), 0)).toBe(180 * 3);
    const three = describeFigures(buildFigureInput(3)).find(({ file }) => file === 'judge-agreement.svg')!;
    expect(three.rows.length).toBe(3);
    expect(three.alternative).toContain('Cohen’s κ: guard and refusal 0.');
  });

  it('of the margins add up to each arm’s prompts', () => {
    const rows = rowsOf('refusal-margins.svg');
    for (const arm of Object.keys(summary.arms)) {
      const own = rows.filter((row) => row.arm === arm);
      expect(own.reduce((sum, { prompts }) => sum + Number(prompts), 0)).toBe(180);
    }
  });
});

function areaUnder(curve: readonly { wrong: number; right: number }[]): number {
  return curve.reduce((area, { wrong, right }, at) => {
    const before = curve[at - 1] ?? { wrong: 0, right: 0 };
    return area + ((wrong - before.wrong) * (right + before.right)) / 2;
  }, 0);
}

describe('rocCurve', () => {
  it('has AUROC as its area, ties included', () => {
    const answers = Array.from({ length: 400 }, (_, i) => ({
      confidence: ((i * 37) % 23) / 23,
      correct: (i * 17) % 29 > 12 - ((i * 37) % 23) / 4,
    }));
    const curve = rocCurve(answers);
    expect([curve[0], curve.at(-1)]).toEqual([
      { wrong: 0, right: 0 },
      { wrong: 1, right: 1 },
    ]);
    expect(curve.length).toBe(24);
    expect(areaUnder(curve)).toBeCloseTo(auroc(answers).auroc!, 12);
    expect(rocCurve(answers.map((answer) => ({ ...answer, correct: true })))).toEqual([]);
    expect(calibrationError([], 10)).toBeNull();
  });
});

describe('what is missing', () => {
  it('leaves its figure out: a replay without single outcomes has neither flips nor curves', () => {
    const bare: ReportInput = { ...input, items: [], verdicts: [], suites: [], histories: {}, margins: [] };
    const files = describeFigures(bare).map(({ file }) => file);
    expect(files).toEqual([
      'effects.svg',
      'asr.svg',
      'asr-by-functional-category.svg',
      'asr-by-category.svg',
      'accuracy.svg',
      'adoption.svg',
      'dose-response.svg',
      'uncertainty.svg',
    ]);
  });
});
