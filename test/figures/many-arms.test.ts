import { describe, expect, it } from 'vitest';
import { drawnArms } from '../../src/figures/drawn-arms.ts';
import { describeFigures } from '../../src/figures/figures.ts';
import { leadToHtml } from '../../src/html/lead.ts';
import { armStyles, drawSvg } from '../../src/plot.ts';
import { buildDocument } from '../../src/report/document.ts';
import { buildManyArms } from '../fixtures/many-arms.ts';

const input = buildManyArms(24);
const figures = describeFigures(input);
const arms = Object.keys(input.summary.arms);

describe('with 24 arms', () => {
  it('every figure says which it draws, and its data have all', () => {
    expect(figures.length).toBe(14);
    for (const { file, rows, caption, specification } of figures) {
      const named = new Set(rows.flatMap(({ arm }) => (arm === undefined ? [] : [arm])));
      const drawn = arms.filter((arm) => JSON.stringify(specification).includes(`"${arm}"`));
      if (file === 'judge-agreement.svg') continue;
      const absent = { 'effects.svg': 1, 'loss.svg': 1 }[file] ?? 0;
      expect([file, named.size]).toEqual([file, 24 - absent]);
      expect(drawn.length).toBeLessThanOrEqual(24);
      if (drawn.length < 24 - absent) expect(caption).toMatch(/Of 24 arms the base.* furthest from it/);
    }
  });

  it('no figure is higher than a few screens or wider than the page', async () => {
    for (const figure of figures) {
      const svg = await drawSvg(figure);
      const [, width, height] = /viewBox="0 0 ([\d.]+) ([\d.]+)"/.exec(svg)!;
      expect([figure.file, Number(width) < 1_060, Number(height) < 1_800]).toEqual([figure.file, true, true]);
    }
  });

  it('the page leads with a few of them, and folds the rest away', () => {
    const { lead } = buildDocument(input, { showCompletions: false });
    expect(lead.outcome).toMatch(/^The harmful-01 arm lost its safety.* \d+ other arms lost safety, too\.$/);
    expect(lead.sentence).toMatch(/^The gate fails: harmful-01 .*; and \d+ other arms\.$/);
    expect(lead.outcome!.length + lead.sentence.length).toBeLessThan(900);
    const html = leadToHtml(lead, { marks: new Map(), figures: {} });
    expect(html).toMatch(/PASS<\/span> on \d+ other gated metrics, all in the table below/);
    expect(html).toContain('<summary>What changed in each of 23 arms</summary>');
  });

  it('the furthest from the base are drawn, whichever way they went, with the marks that they have everywhere', () => {
    const drawn = drawnArms(input.summary, 6);
    expect(drawn).toContain('base');
    const distance = (arm: string) =>
      Math.abs(input.summary.comparisons[arm]?.harmHeadline?.deltaPoints ?? 0);
    const left = arms.filter((arm) => !drawn.includes(arm));
    expect(Math.min(...drawn.slice(1).map(distance))).toBeGreaterThan(Math.max(...left.map(distance)) - 10);
    const loss = figures.find(({ file }) => file === 'loss.svg')!;
    const { domain, range } = (
      loss.specification as { encoding: { color: { scale: { domain: string[]; range: string[] } } } }
    ).encoding.color.scale;
    const styles = armStyles(arms, 'base');
    expect(range).toEqual(domain.map((arm) => styles[arms.indexOf(arm)]!.colour));
  });
});
