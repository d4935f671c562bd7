import { parse } from 'csv-parse/sync';
import { describe, expect, it } from 'vitest';
import { type Figure, sourceFiles } from '../../src/figures/figure.ts';
import { describeFigures } from '../../src/figures/figures.ts';
import { documentToHtml } from '../../src/html.ts';
import { drawSvg } from '../../src/plot.ts';
import { buildDocument } from '../../src/report/document.ts';
import { buildFigureInput } from '../fixtures/figure-input.ts';
import { renameArms, type WholeInput } from '../fixtures/report-input.ts';

/** Names of arms, categories, conditions, judges and the run, and ids, made to break what a figure is written into. */

const attacks = [
  '</svg><script>owned()</script>',
  '"><image href=x onerror="owned()">',
  "' onload='owned()",
  ']]></style><!--',
  'javascript:owned()',
  'data:text/html,<script>owned()</script>',
  '=HYPERLINK("https://lantern.example","x")',
  '+1+cmd|x',
  '-1+1',
  '@SUM(1,2)',
  '\t=1+1',
  '\u001b[31mred\u001b[0m\u0007',
  '\u202egnp.txt\u202c\u2066in\u2069',
  '"] || owned() || datum["',
  "\\'); owned(); ('",
  'a","b\r\n=1+1,"c',
];

/** Every name that a run takes from outside is one of these, in turn, with an ending that tells them apart. */
function poisoned(attacks: readonly string[]): WholeInput {
  const plain = buildFigureInput();
  const given = new Map<string, string>();
  const own = (name: string) => {
    const known = given.get(name) ?? `${attacks[given.size % attacks.length]} ${name}`;
    given.set(name, known);
    return known;
  };
  const names = Object.keys(plain.summary.arms).map(own);
  const renamed = (condition: string) => (condition === 'random_context' ? own(condition) : condition);
  const keys = <T>(record: Readonly<Record<string, T>>, name: (key: string) => string) =>
    Object.fromEntries(Object.entries(record).map(([key, value]) => [name(key), value]));
  const arms = Object.entries(plain.summary.arms).map(([name, arm]) => [
    name,
    {
      ...arm,
      drift: keys(arm.drift!, renamed),
      harm: {
        ...arm.harm!,
        byFunctionalCategory: keys(arm.harm!.byFunctionalCategory, own),
        bySemanticCategory: keys(arm.harm!.bySemanticCategory, own),
        judges: keys(arm.harm!.judges, own),
      },
    },
  ]);
  const summary = {
    ...plain.summary,
    arms: Object.fromEntries(arms) as WholeInput['summary']['arms'],
    judges: plain.summary.judges.map((judge) => ({ ...judge, name: own(judge.name) })),
  };
  const item = <T extends { readonly id: string; readonly condition: string }>(one: T): T => ({
    ...one,
    ...{ id: own(one.id), condition: renamed(one.condition) },
  });
  const input: WholeInput = {
    ...{ ...plain, summary, name: attacks.join(' ') },
    items: plain.items.map(item),
    verdicts: plain.verdicts.map((verdict) => ({ ...item(verdict), judge: own(verdict.judge) })),
    margins: plain.margins!.map(item),
    suites: plain.suites.map((suite) => ({
      ...suite,
      items: suite.items.map((one) => ({
        ...item(one),
        semanticCategory: one.semanticCategory && own(one.semanticCategory),
      })),
    })),
  };
  const margins = input.margins!.map((margin) => ({ ...margin, arm: own(margin.arm) }));
  return { ...renameArms(input, names), margins };
}

/** Tags of an SVG by Vega, with whole attributes; nothing that holds a script or an address. */
const tag =
  /<(\/?)(?:svg|g|path|line|rect|text|tspan|title|desc|defs|clipPath|style)((?: [\w:-]+="[^"<&]*(?:&(?:amp|lt|gt|quot|#39);[^"<&]*)*")*) ?\/?>/g;
const invisible = /(?![\t\n\r\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u;

function svgFaults(svg: string): string[] {
  const [, style] = /<style>([^<]*)<\/style>/.exec(svg) ?? [];
  const tags = [...svg.matchAll(tag)].map(([whole]) => whole);
  const rest = svg.replaceAll(tag, '').replace(style ?? '', '');
  return [
    ...(/[<>]/.test(rest.replaceAll(/&(?:lt|gt);/g, '')) ? ['a tag that is none of ours'] : []),
    ...(tags.some((one) => /\s(?:on\w+|(?:xlink:)?href|src)=/i.test(one)) ? ['an attribute that acts'] : []),
    ...(invisible.test(svg) ? ['an invisible character'] : []),
  ];
}

function csvFaults(csv: string, { rows }: Figure): string[] {
  const cells = parse(csv, { relax_column_count: false }) as string[][];
  const numeric = /^[-−]?\d*\.?\d+(?:e-?\d+)?$/;
  return [
    ...(cells.length === rows.length + 1 ? [] : ['another number of rows']),
    ...(cells.flat().some((cell) => /^[=+\-@\t\r\n]/.test(cell) && !numeric.test(cell)) ? ['a formula'] : []),
    ...(invisible.test(csv) ? ['an invisible character'] : []),
  ];
}

/** Strings that stand where Vega-Lite reads expressions: none may hold a name. */
function specificationFaults(text: string): string[] {
  const faults: string[] = [];
  const specification = JSON.parse(text, (key, value: unknown) => {
    const read = ['expr', 'signal', 'test', 'filter', 'calculate', 'field', 'url', 'href', 'usermeta'];
    if (read.includes(key) && /owned|lantern|cmd|SUM|1\+1|\[31m|gnp/.test(JSON.stringify(value)))
      faults.push(`${key}: ${JSON.stringify(value).slice(0, 80)}`);
    return value;
  }) as object;
  return [
    ...faults,
    ...(invisible.test(JSON.stringify(specification).replaceAll(/\\[tn]/g, ''))
      ? ['an invisible character']
      : []),
  ];
}

/** As many at once as there are arms: each is an arm's name in some round. */
const rounds = Array.from({ length: Math.ceil(attacks.length / 3) }, (_, at) =>
  attacks.slice(3 * at, 3 * at + 3),
);

describe.each(rounds)('figures of names that hold %j, %j, %j', (...round) => {
  const figures = describeFigures(poisoned(round.filter(Boolean)));

  it('are all there, and hold them as text alone: SVG, CSV and specification', async () => {
    expect(figures.length).toBe(14);
    for (const figure of figures) {
      const { csv, specification } = sourceFiles(figure);
      const faults = [
        ...svgFaults(await drawSvg(figure)),
        ...csvFaults(csv, figure),
        ...specificationFaults(specification),
      ];
      expect([figure.file, faults]).toEqual([figure.file, []]);
    }
  });
});

it('their links in the page are data that nothing can leave', async () => {
  const input = poisoned(rounds[0]!);
  const html = documentToHtml(buildDocument(input, { showCompletions: false }), {});
  const links = [...html.matchAll(/<a download="([^"]*)" href="([^"]*)"/g)];
  expect(links.length).toBe(2 * 14);
  for (const [, name, href] of links) {
    expect(name).toMatch(/^[\w-]+\.(?:csv|vl\.json)$/);
    expect(href).toMatch(/^data:(?:text\/csv|application\/json);charset=utf-8;base64,[\w+/]+=*$/);
  }
});
