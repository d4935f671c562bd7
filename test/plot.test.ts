import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import * as vega from 'vega';
import { describe, expect, it } from 'vitest';
import { describeFigures } from '../src/figures/figures.ts';
import { armStyles, drawSvg, escapeXml } from '../src/plot.ts';
import { drawFigures, type ReportInput } from '../src/report.ts';
import { buildReportInput, renameArms } from './fixtures/report-input.ts';

const input = buildReportInput();
const figures = await drawFigures(input);

/** Controls, bidirectional overrides and lone surrogates; tabs, newlines and joiners are fine. */
const hidden = /(?![\t\n\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}]/u;

/** Any code points, lone surrogates among them, and often the ones that matter. */
const anyText = fc
  .array(
    fc.oneof(
      fc.constantFrom(...'<>&"\'`|\\[](){}_*#$~-!\n\r\t;:'),
      fc.integer({ min: 0, max: 0x10ffff }).map((code) => String.fromCodePoint(code)),
    ),
  )
  .map((characters) => characters.join(''));

/** Throws where tags do not balance or an attribute is not quoted: enough XML to catch a broken escape. */
function assertWellFormed(svg: string): void {
  const open: string[] = [];
  const rest = svg.replace(
    /<(\/?)([A-Za-z][\w:-]*)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>/g,
    (_, close, name, attributes: string, self) => {
      const names = [...attributes.matchAll(/\s([\w:-]+)=/g)].map(([, attribute]) => attribute);
      expect(new Set(names).size).toBe(names.length);
      if (close) expect(open.pop()).toBe(name);
      else if (!self) open.push(name);
      return '';
    },
  );
  expect(open).toEqual([]);
  expect(rest).not.toMatch(/[<>]/);
  expect(rest).not.toMatch(/&(?!(?:amp|lt|gt|quot|#39);)/);
}

describe('figures', () => {
  it('draws the same bytes again, also at once and with another text metric installed', async () => {
    (vega as unknown as { textMetrics: { width: () => number } }).textMetrics.width = () => 400;
    const asr = describeFigures(input).find(({ file }) => file === 'asr.svg');
    const [again, alone] = await Promise.all([drawFigures(structuredClone(input)), drawSvg(asr!)]);
    expect(again).toEqual(figures);
    expect(alone).toBe(figures['asr.svg']);
  });

  it('is well-formed, self-contained and labelled', async () => {
    const ids = Object.values(figures).flatMap((svg) =>
      [...svg.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id),
    );
    expect(new Set(ids).size).toBe(ids.length);
    for (const svg of Object.values(figures)) {
      assertWellFormed(svg);
      expect(svg).not.toMatch(/NaN|undefined|Infinity|\bnull\b/);
      expect(svg.replace(/xmlns(?::\w+)?="[^"]*"/g, '')).not.toMatch(
        /https?:|url\((?!#)|<script|<image|<foreignObject| on\w+=/,
      );
      expect(svg).toMatch(/^<svg [^>]*role="img" aria-labelledby="([\w-]+)-title \1-desc"/);
      expect(svg).toMatch(/<title id="[\w-]+">[^<]+<\/title><desc id="[\w-]+">[^<]+<\/desc>/);
    }
  });

  it('shows names that try to break out as text', async () => {
    const hostile = ['a<script>x</script>', 'b]]>"\'&amp;', 'c\u202e\u0007d', 'e|`f`'];
    for (const svg of Object.values(await drawFigures(renameArms(input, hostile)))) {
      assertWellFormed(svg);
      expect(svg).not.toContain('<script>');
      expect(svg).not.toMatch(hidden);
    }
  });

  it('marks every arm with its own shape and colour wherever it appears', async () => {
    const styles = armStyles(Object.keys(input.summary.arms), input.summary.baseArm);
    expect(styles[0]).toEqual({ colour: 'currentColor', shape: 'circle', dash: [1, 0] });
    const { 'asr.svg': svg = '' } = figures;
    for (const { colour } of styles) expect(svg).toContain(`fill="${colour}"`);
    const shapes = [...svg.matchAll(/<path transform="[^"]*" d="(M[^"]*)" fill="(?:#|current)/g)].map(
      ([, path]) => path,
    );
    expect(shapes.length).toBe(4);
    expect(new Set(shapes).size).toBe(4);
  });

  it('tells thirty arms apart and starts with the base wherever it stands', () => {
    const arms = Array.from({ length: 31 }, (_, place) => `arm ${place}`);
    const styles = armStyles(arms, 'arm 4').map(({ colour, shape }) => `${colour} ${shape}`);
    expect(new Set(styles).size).toBe(31);
    expect(styles[4]).toBe('currentColor circle');
  });

  it('leaves out a figure without data', async () => {
    const arms = Object.fromEntries(
      Object.entries(input.summary.arms).map(([arm]) => [arm, { training: null }]),
    );
    const empty: ReportInput = {
      ...input,
      items: [],
      verdicts: [],
      suites: [],
      histories: {},
      summary: { ...input.summary, arms, comparisons: {}, agreement: null },
    };
    expect(await drawFigures(empty)).toEqual({});
    expect(Object.keys(await drawFigures({ ...empty, histories: input.histories }))).toEqual(['loss.svg']);
  });

  it('draws a rate without an interval and an arm without a rate', async () => {
    const summary = structuredClone(input.summary);
    const [first, second] = Object.values(summary.arms);
    Object.assign(first!.harm!.headline, { ci95: null });
    Object.assign(second!.harm!.headline, { rate: null, ci95: null, scored: 0, unsafe: 0 });
    const asr = describeFigures({ ...input, summary }).find(({ file }) => file === 'asr.svg')!;
    expect(asr.alternative).toContain('harmful –, n = 0');
    const svg = await drawSvg(asr);
    assertWellFormed(svg);
    expect(svg).not.toMatch(/NaN|undefined/);
  });
});

describe('loading', () => {
  it('leaves the chart library to the moment of drawing, so that --help stays quick', () => {
    const folder = join(import.meta.dirname, '..', 'src');
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) =>
      file.endsWith('.ts'),
    );
    const importing = files.filter((file) =>
      /^(?:import|export) .*from 'vega/m.test(readFileSync(join(folder, file), 'utf8')),
    );
    expect(importing).toEqual([]);
  });
});

describe('escapeXml', () => {
  it('leaves nothing that opens a tag, an entity or an attribute, and no hidden character', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const escaped = escapeXml(text);
        expect(escaped).not.toMatch(/[<>"']|&(?!(?:amp|lt|gt|quot|#39);)/);
        expect(escaped).not.toMatch(hidden);
      }),
      { seed: 7 },
    );
  });

  it('keeps what people write', () => {
    expect(escapeXml('żółć → 東京 👩‍🚀\tx\ny')).toBe('żółć → 東京 👩‍🚀\tx\ny');
    expect(escapeXml('a\u202eb\u0000\u001b[31m')).toBe('a⟨U+202E⟩b␀␛[31m');
  });
});
