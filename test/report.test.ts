import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { describeFigures } from '../src/figures/figures.ts';
import * as format from '../src/format.ts';
import { sha256 } from '../src/hash.ts';
import type { ItemRecord, Summary, VerdictRecord } from '../src/record.ts';
import { escapeMarkdown } from '../src/report/markdown.ts';
import { drawFigures, type ReportInput, renderHtml, renderMarkdown, writeReport } from '../src/report.ts';
import { buildReportInput, renameArms } from './fixtures/report-input.ts';

const input = buildReportInput();
const folder = mkdtempSync(join(tmpdir(), 'aftertune-report-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A page without its own script and its data: what is left holds none. */
const withoutScript = (html: string) =>
  html.replace(/<script(?: type="application\/octet-stream" id="items-\w+")?>[\s\S]*?<\/script>\n/g, '');

/** The cells of every table row: a bar after a space is never an escaped one. */
function tablesOf(markdown: string): string[][][] {
  const blocks = markdown.split('\n\n').filter((block) => block.startsWith('| '));
  return blocks.map((block) =>
    block
      .trim()
      .split('\n')
      .map((line) => line.slice(2, -2).split(' | ')),
  );
}

function assertRectangular(markdown: string): void {
  const tables = tablesOf(markdown);
  expect(tables.length).toBeGreaterThan(0);
  for (const rows of tables) {
    const width = rows[0]!.length;
    expect(rows.map((row) => row.length)).toEqual(rows.map(() => width));
    expect(rows[1]!.every((cell) => /^---:?$/.test(cell))).toBe(true);
  }
}

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

const withSummary = (change: (summary: Summary) => void): ReportInput => {
  const summary = structuredClone(input.summary);
  change(summary);
  return { ...input, summary };
};

/** Puts one text in the place of every completion of a suite. */
const withCompletion = (completion: string, suite: ItemRecord['suite']): ReportInput => ({
  ...input,
  items: input.items.map((item) => (item.suite === suite ? { ...item, completion } : item)),
});

describe('Markdown', () => {
  const markdown = renderMarkdown(input);

  it('is the committed report', async () => {
    await expect(markdown).toMatchFileSnapshot('fixtures/report/report.md');
  });

  it('says what changed in plain words', () => {
    expect(markdown).toContain(
      '**FAIL** (exit code 2). The gate fails: safe is worse than base on over-refusal.',
    );
    expect(markdown).toContain(
      "The harmful arm's attack success rate rose from 37.6 % to 89.4 %: +51.7 points [44.1, 59.0], exact McNemar p < 0.001.",
    );
    expect(markdown).toContain("The safe arm's attack success rate fell from 37.6 % to 2.8 %: −35.6 points");
    expect(markdown).toContain(
      "The control arm's attack success rate went from 37.6 % to 37.4 %, a change within what chance explains",
    );
  });

  it('says each verdict of a run', () => {
    const passing = withSummary(({ comparisons, gate }) => {
      for (const own of Object.values(comparisons))
        Object.assign(own, { verdicts: { harmHeadline: 'PASS' } });
      Object.assign(gate, { verdict: 'PASS', exitCode: 0 });
    });
    expect(renderMarkdown(passing)).toContain(
      '**PASS** (exit code 0). The gate passes: on no gated metric is any gated arm (safe, control) worse than base by its margin.',
    );
    const open = withSummary(({ comparisons, gate }) => {
      Object.assign(comparisons.safe!, { verdicts: { harmHeadline: 'PASS', accuracy: 'PASS' } });
      Object.assign(gate, { verdict: 'INCONCLUSIVE', exitCode: 4 });
    });
    expect(renderMarkdown(open)).toContain(
      'The gate is undecided: the data neither clear nor convict control on attack success rate.',
    );
    const none = withSummary(({ comparisons }) => {
      for (const own of Object.values(comparisons)) Object.assign(own, { gated: false });
    });
    expect(renderMarkdown(none)).toContain('No arm was gated, so there is nothing to pass or fail.');
  });

  it('warns at its top where another judge would change the verdict', () => {
    const doubtful = withSummary((summary) => {
      const agreement = { judges: ['guard', 'rubric'] as [string, string], items: 720, cohenKappa: 0.4 };
      Object.assign(summary, {
        agreement: { ...agreement, verdictsByJudge: { control: { guard: 'PASS', rubric: 'FAIL' } } },
      });
    });
    const alarm =
      'The choice of judge changes the verdict on the attack success rate of control: PASS by guard, FAIL by rubric.';
    const text = renderMarkdown(doubtful);
    expect(text).toContain(`> **Warning:** ${alarm}`);
    expect(text.indexOf(alarm)).toBeLessThan(text.indexOf('## '));
    const page = renderHtml(doubtful, {});
    expect(page.indexOf(alarm)).toBeLessThan(page.indexOf('<h2'));
    const one = withSummary((summary) => Object.assign(summary, { agreement: null }));
    expect(renderMarkdown(one)).not.toContain('Warning:');
  });

  it('does not depend on what the arms are called', () => {
    const render = (prefix: string) =>
      renderMarkdown(
        renameArms(
          input,
          ['q', 'r', 's', 't'].map((end) => `${prefix}${end}`),
        ),
      );
    expect(render('zzx').replaceAll('zzx', 'yyw')).toBe(render('yyw'));
  });

  it('has well-formed tables, also with hostile names', () => {
    assertRectangular(markdown);
    const hostile = renameArms(input, ['a|b', 'c`|`\\', '\\| |\n| --- |', '<td>|</td>']);
    assertRectangular(renderMarkdown(hostile));
  });

  it('holds no completion', () => {
    for (const suite of ['harm', 'over-refusal', 'drift'] as const)
      expect(renderMarkdown(withCompletion('XYZZY', suite))).not.toContain('XYZZY');
  });

  it('prints undefined numbers as a dash and never NaN', () => {
    const hollow = JSON.parse(
      JSON.stringify(input.summary, (key, value: unknown) =>
        key === 'finalLoss' || Array.isArray(value) === false
          ? typeof value === 'number' && !Number.isInteger(value)
            ? null
            : value
          : value,
      ),
    ) as Summary;
    const empty = { ...input, summary: hollow, histories: {} };
    for (const text of [
      renderMarkdown(empty),
      withoutScript(renderHtml(empty, {})).replace(/<style>[\s\S]*<\/style>/, ''),
    ])
      expect(text).not.toMatch(/\bNaN\b|undefined|Infinity|\bnull\b/);
  });

  it('leaves out what a replay does not have', () => {
    const replay = { ...input, items: [], verdicts: [], suites: [], histories: {}, facts: {} };
    const text = renderMarkdown(replay);
    expect(text).not.toContain('Prompts and decoding');
    expect(text).not.toContain('loss.svg');
    expect(renderHtml(replay, {})).not.toContain('id="items"');
  });

  it('names the test that fits several repeats, and the worst of them', () => {
    const repeated = withSummary(({ arms, comparisons }) => {
      for (const { harm } of Object.values(arms))
        Object.assign(harm!.all, { repeats: 3, worstOfRepeats: 0.5 });
      for (const { harmHeadline } of Object.values(comparisons))
        Object.assign(harmHeadline!, { mcnemarP: null, signFlipP: 0.0123 });
    });
    const text = renderMarkdown(repeated);
    expect(text).toContain('sign-flip p = 0.012.');
    expect(text).toContain('| worst of 3 |');
    expect(text).toContain('item-wise score interval and sign-flip permutation test; Holm');
    expect(text).toContain('by the first judge, with item-wise score 95 % intervals.');
  });

  it('shows errata and the headline apart from all rows', () => {
    const copyright = withSummary((summary) => {
      for (const { harm } of Object.values(summary.arms)) Object.assign(harm!.headline, { excluded: 30 });
      Object.assign(summary, {
        errata: [
          { where: 'table 3, base', printed: 59.06, computed: 40.9375, why: 'the safe share was printed' },
        ],
      });
    });
    const text = renderMarkdown(copyright);
    expect(text).toContain('| table 3, base | 59.06 | 40.9375 | the safe share was printed |');
    expect(text).toMatch(/\| base \| headline \|.*\| 30 \|/);
    expect(text).toMatch(/\| base \| all \|/);
  });
});

describe('HTML', () => {
  it('is the same twice and self-contained, its one script known by its hash', async () => {
    const figures = await drawFigures(input);
    const whole = renderHtml(input, figures);
    expect(renderHtml(structuredClone(input), figures)).toBe(whole);
    const scripts = [...whole.matchAll(/<script>(.*?)<\/script>/gs)].map(([, text]) => text!);
    expect(scripts.length).toBe(1);
    const digest = createHash('sha256').update(scripts[0]!).digest('base64');
    expect(whole).toContain(`default-src 'none'; script-src 'sha256-${digest}'; style-src`);
    const html = withoutScript(whole);
    expect(html).not.toMatch(/<script|<link|<iframe|<img|@import|javascript:| on\w+=/i);
    expect(html.replace(/xmlns(?::\w+)?="[^"]*"/g, '')).not.toMatch(/https?:|url\((?!#)/);
    const links = html.replace(/<a download="[\w.-]+" href="data:(?:text\/csv|application\/json);/g, '');
    expect(
      [...links.matchAll(/(?:href|src)="([^"]*)"/g)].every(([, target]) => target!.startsWith('#')),
    ).toBe(true);
    const ids = [...html.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const [, target] of html.matchAll(/href="#([^"]*)"/g)) expect(ids).toContain(target);
    for (const file of Object.keys(figures))
      expect(html).toContain(`id="figure-${file.replace('.svg', '')}-title"`);
  });

  it('gives every row of a table as many cells as it has columns', () => {
    const html = renderHtml(input, {});
    const tables = [...html.matchAll(/<table[\s\S]*?<\/table>/g)].map(([table]) => table);
    // The table of sources is on the page alone.
    expect(tables.length).toBe(tablesOf(renderMarkdown(input)).length + 1);
    expect(tables.at(-1)).toMatch(/Tango .*score interval/i);
    for (const table of tables) {
      const widths = new Set<number>();
      let spanned = 0;
      for (const [row] of table.split('<tbody>')[1]!.matchAll(/<tr[\s\S]*?<\/tr>/g)) {
        const span = Number(row.match(/rowspan="(\d+)"/)?.[1] ?? 0);
        widths.add((row.match(/<t[dh][ >]/g)?.length ?? 0) + (span === 0 && spanned > 0 ? 1 : 0));
        spanned = span > 0 ? span - 1 : Math.max(0, spanned - 1);
      }
      expect(widths.size).toBe(1);
    }
  });

  it('shows hostile completions as text', () => {
    const hostile = '</pre><script>alert(1)</script>]]><!-- | ` \u202e\u0000\u001b[2J &lt; "\' \ud800';
    for (const suite of ['harm', 'over-refusal', 'drift'] as const) {
      const html = withoutScript(renderHtml(withCompletion(hostile, suite), {}, { showCompletions: true }));
      expect(html).toContain(
        '&lt;/pre&gt;&lt;script&gt;alert(1)&lt;/script&gt;]]&gt;&lt;!-- | ` ⟨U+202E⟩␀␛[2J &amp;lt; &quot;&#39; ⟨U+D800⟩',
      );
      expect(html).not.toMatch(/<script|<!--/);
      expect(html).not.toMatch(hidden);
      expect(html.match(/<pre /g)?.length).toBe(html.match(/<\/pre>/g)?.length);
    }
  });

  it('cuts very long completions and says by how much', () => {
    const html = renderHtml(withCompletion('ä'.repeat(2_000), 'drift'), {});
    expect(html).toContain(`${'ä'.repeat(600)} … (1,400 more characters)`);
    expect(html).not.toContain('ä'.repeat(601));
  });

  it('draws a dozen prompts per suite with every arm beside the others', () => {
    const html = renderHtml(input, {});
    const samples = html.split('id="items"')[1]!.split('<section')[0]!;
    expect(samples.match(/<article/g)?.length).toBe(36);
    expect(samples.match(/class="answer"/g)?.length).toBe(36 * 4);
  });
});

describe('redaction', () => {
  type Label = 'safe' | 'unsafe' | 'unscored';
  /** A harm suite of one item with what each judge said of it; undefined: the judge has not spoken. */
  const judged = (labels: readonly (Label | undefined)[]): ReportInput => {
    const [first] = input.items.filter(({ suite }) => suite === 'harm');
    const [item, other] = [
      { ...first!, completion: 'XYZZY' },
      { ...first!, id: 'other', completion: 'fine' },
    ];
    const verdictOf = (id: string, label: Label, judge: number): VerdictRecord => ({
      ...input.verdicts.find((verdict) => verdict.suite === 'harm')!,
      suite: 'harm',
      arm: item.arm,
      id,
      judge: `judge ${judge}`,
      label,
      reason: label === 'unscored' ? 'judge_parse' : null,
      category: 'S9',
      detail: 'because it says XYZZY',
      probabilityUnsafe: null,
    });
    const verdicts = labels.flatMap((label, judge) => [
      ...(label ? [verdictOf(item.id, label, judge)] : []),
      verdictOf(other.id, 'safe', judge),
    ]);
    const judges = labels.map((_, judge) => ({
      ...{ suite: 'harm' as const, name: `judge ${judge}`, version: '1', fingerprint: `judge ${judge}` },
    }));
    const summary = { ...input.summary, judges };
    return { ...input, summary, suites: [], items: [item, other], verdicts };
  };

  it('prints a completion only where every judge has called it safe', () => {
    const label = fc.constantFrom<Label | undefined>('safe', 'unsafe', 'unscored', undefined);
    fc.assert(
      fc.property(fc.array(label, { minLength: 0, maxLength: 3 }), (labels) => {
        const safe = labels.length > 0 && labels.every((one) => one === 'safe');
        const html = renderHtml(judged(labels), {});
        expect(html.includes('XYZZY')).toBe(safe);
        expect(renderHtml(judged(labels), {}, { showCompletions: true })).toContain('XYZZY');
      }),
      { numRuns: 40, seed: 7 },
    );
  });

  it('prints none of a run without a result, where a judge may not have spoken yet, nor where one never did', () => {
    const finished = judged(['safe', 'safe']);
    const broken = {
      ...finished,
      notices: ['broken off'],
      summary: { ...finished.summary, comparisons: {} },
    };
    expect(renderHtml(broken, {})).not.toContain('XYZZY');
    const late = { suite: 'harm' as const, name: 'late', version: '1', fingerprint: 'late' };
    const summary = { ...finished.summary, judges: [...finished.summary.judges, late] };
    expect(renderHtml({ ...finished, summary }, {})).not.toContain('XYZZY');
  });

  it('keeps hash, category and length of what it hides', () => {
    const html = renderHtml(judged(['unsafe', 'safe']), {});
    expect(html).toContain('<p class="redacted">redacted</p>');
    expect(html).toContain(`SHA-256 ${sha256('XYZZY')}`);
    expect(html).toContain('5 characters');
    expect(html).toContain('unsafe (judge 0, S9)');
  });
});

describe('writeReport', () => {
  it('writes Markdown, HTML and figures, and the same bytes again', async () => {
    const target = join(folder, 'run');
    await writeReport(target, input, { showCompletions: false });
    const read = () =>
      [
        'report.md',
        'report.html',
        ...readdirSync(join(target, 'figures')).map((file) => join('figures', file)),
      ].map((file) => [file, readFileSync(join(target, file), 'utf8')]);
    const first = read();
    const names = describeFigures(input).map(({ file }) => file.replace('.svg', ''));
    expect(first.map(([file]) => file)).toEqual([
      'report.md',
      'report.html',
      ...names
        .flatMap((name) => [`figures/${name}.csv`, `figures/${name}.svg`, `figures/${name}.vl.json`])
        .sort(),
    ]);
    const markdown = first[0]![1]!;
    for (const [, file] of markdown.matchAll(/\]\((figures\/[^)]*)\)/g))
      expect(first.map(([name]) => name)).toContain(file);
    await writeReport(target, input, { showCompletions: false });
    expect(read()).toEqual(first);
    expect(statSync(join(target, 'figures')).mode & 0o777).toBe(0o700);
  });

  it('says what is wrong with a place it cannot write to', async () => {
    const file = join(folder, 'a-file');
    writeFileSync(file, '');
    await expect(writeReport(file, input, { showCompletions: false })).rejects.toMatchObject({
      code: 'disk',
      exitCode: 1,
    });
  });
});

describe('numbers', () => {
  it('prints p values, rates, points and intervals', () => {
    expect([0, 0.00099, 0.001, 0.0123, 0.0994, 0.0995, 0.62, 1].map(format.pValue)).toEqual([
      '< 0.001',
      '< 0.001',
      '0.001',
      '0.012',
      '0.099',
      '0.10',
      '0.62',
      '1.00',
    ]);
    expect([null, undefined, Number.NaN].map(format.pSentence)).toEqual(['p –', 'p –', 'p –']);
    expect([0, 1, 1 / 3, null, Number.NaN].map(format.percent)).toEqual([
      '0.0 %',
      '100.0 %',
      '33.3 %',
      '–',
      '–',
    ]);
    expect([57.84, -34.06, 0, -0.04, 0.04, null].map(format.points)).toEqual([
      '+57.8',
      '−34.1',
      '0.0',
      '0.0',
      '0.0',
      '–',
    ]);
    expect(format.pointsWithInterval(57.8, [50.1, 64.6], 'points')).toBe('+57.8 points [50.1, 64.6]');
    expect(format.pointsWithInterval(null, [50.1, 64.6], 'points')).toBe('–');
    expect(format.interval([-0.01, 3], 1)).toBe('[0.0, 3.0]');
    expect([0, 999, 1_000, 1_234_567, null].map(format.count)).toEqual([
      '0',
      '999',
      '1,000',
      '1,234,567',
      '–',
    ]);
  });
});

describe('escapeMarkdown', () => {
  it('keeps any text on one line, out of cells and tags', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const escaped = escapeMarkdown(text);
        expect(escaped).not.toMatch(hidden);
        expect(escaped).not.toMatch(/[\n\t]/);
        expect(escaped.replace(/\\[\\`*|~$_<\][#>+=&.)-]/g, '·')).not.toMatch(/[\\`*|~$]|<[\p{L}/!?]|\]\(/u);
      }),
      { numRuns: 500, seed: 7 },
    );
  });

  it('leaves ordinary text alone', () => {
    const text = 'false_context: +57.8 [50.1, 64.6], p < 0.001 (a & b) # 3 - x';
    expect(escapeMarkdown(text)).toBe(text);
    expect(escapeMarkdown('- a\n1. _b_ [x](y) <b> &amp;')).toBe('\\- a 1. \\_b\\_ [x\\](y) \\<b> \\&amp;');
    expect(escapeMarkdown('1. first')).toBe('1\\. first');
  });
});
