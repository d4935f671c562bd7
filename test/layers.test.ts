import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, posix } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../src/files.ts';

/** DESIGN.md's arrows, read off the imports themselves; type-only and lazy imports count as well. */

const root = join(packageRoot, 'src');
const files = (readdirSync(root, { recursive: true }) as string[])
  .filter((name) => name.endsWith('.ts'))
  .map((name) => name.replaceAll('\\', '/'))
  .sort();
const sourceOf = new Map(files.map((name) => [name, readFileSync(join(root, name), 'utf8')]));
const importPattern =
  /(?:(?:import|export)\s+(type\s)?(?:\{([^}]*)\}|[\w*\s]+)\s*from\s*|import\()'(\.{1,2}\/[^']+)'/g;
const imports = files.flatMap((from) =>
  [...sourceOf.get(from)!.matchAll(importPattern)].map(([, type, names, path]) => ({
    from,
    to: posix.join(dirname(from), path!),
    typeOnly: type !== undefined || (names ?? '.').split(',').every((name) => /^\s*(type\s|$)/.test(name)),
  })),
);
const importsOf = new Map(
  files.map((name) => [name, imports.filter(({ from }) => from === name).map(({ to }) => to)]),
);

const foundation = [
  'errors.ts',
  'random.ts',
  'hash.ts',
  'files.ts',
  'lines.ts',
  'records.ts',
  'tail.ts',
  'loopback.ts',
  'listen.ts',
  'proxy.ts',
  'request-body.ts',
  'conversation.ts',
  'parallel.ts',
  'ahead.ts',
  'time-limit.ts',
  'hub',
];
const contracts = [
  'model.ts',
  'model-server.ts',
  'server-record.ts',
  'trainer.ts',
  'suite.ts',
  'scorer.ts',
  'record.ts',
  'run-record.ts',
  'rate-record.ts',
  'harm-record.ts',
  'drift-record.ts',
  'utility-record.ts',
  'human-record.ts',
];
const implementations = ['models', 'trainers', 'scorers', 'suites', 'importers'];
/** Readers, and rules about one answer or one other tool's file, which implementations share. */
const shared = [
  'dataset.ts',
  'table.ts',
  'truth.ts',
  'choices.ts',
  'canary.ts',
  'spending.ts',
  'utility-tasks.ts',
  'importer.ts',
  'source-file.ts',
];
const statistics = [
  'stats.ts',
  'rate.ts',
  'bootstrap.ts',
  'bounded-mean.ts',
  'calibration.ts',
  'isotonic.ts',
  'distributions.ts',
  'variance.ts',
  'agreement.ts',
];
const summary = [
  'outcomes.ts',
  'outcome-table.ts',
  'stored-rows.ts',
  'metrics.ts',
  'margin-metrics.ts',
  'variance-budget.ts',
  'coherence.ts',
  'drift-answers.ts',
  'drift-metrics.ts',
  'known-subset.ts',
  'semantic-entropy.ts',
  'utility-metrics.ts',
  'compare.ts',
  'verdict.ts',
  'judge-caveats.ts',
  'caveats.ts',
  'arm-summary.ts',
  'panel.ts',
  'severity.ts',
  'summarise.ts',
];
const report = ['report.ts', 'report', 'plot.ts', 'html.ts', 'html', 'format.ts'];
/** They draw single outcomes too, as the summary counts them. */
const figures = ['figures'];

const within = (name: string, places: readonly string[]) =>
  places.some((place) => name === place || name.startsWith(`${place}/`));

/** Imports of files in `places` that lead outside `allowed`, as "from → to". */
function strays(places: readonly string[], allowed: readonly string[]): string[] {
  return files
    .filter((name) => within(name, places))
    .flatMap((name) =>
      importsOf
        .get(name)!
        .filter((path) => !within(path, allowed))
        .map((path) => `${name} → ${path}`),
    );
}

/** Files that can be reached from themselves by imports that exist when the program runs. */
function cycles(): string[] {
  const reach = (start: string, seen: Set<string>): Set<string> => {
    for (const { from, to, typeOnly } of imports) {
      if (from !== start || typeOnly || seen.has(to)) continue;
      seen.add(to);
      reach(to, seen);
    }
    return seen;
  };
  return files.filter((name) => reach(name, new Set()).has(name));
}

describe('imports point one way', () => {
  it('every relative import names a file', () => {
    expect(importsOf.get('audit.ts')!.length).toBeGreaterThan(5);
    const missing = [...importsOf].flatMap(([name, paths]) =>
      paths.filter((path) => !sourceOf.has(path)).map((path) => `${name} → ${path}`),
    );
    expect(missing).toEqual([]);
  });

  it('never in a circle, types aside', () => expect(cycles()).toEqual([]));

  it.each([
    ['the foundation', foundation, foundation],
    ['onnx', ['onnx'], [...foundation, 'onnx']],
    ['lm', ['lm'], [...foundation, 'onnx', 'lm', 'model.ts', 'trainer.ts']],
    ['contracts', contracts, [...foundation, ...contracts]],
    ['statistics', statistics, [...foundation, ...statistics]],
    ['the summary', summary, [...foundation, ...contracts, ...statistics, ...summary]],
    ['the report', report, [...foundation, ...contracts, ...report, ...figures, 'outcomes.ts']],
    [
      'figures',
      figures,
      [...foundation, ...contracts, ...statistics, ...summary, ...report, ...figures, 'csv-cell.ts'],
    ],
    ['the script of the page', ['page'], ['page', 'report/page-data.ts', 'format.ts']],
  ])('%s', (_, places, allowed) => expect(strays(places, allowed)).toEqual([]));

  it.each(implementations)('%s know contracts and lm, never one another', (folder) => {
    expect(strays([folder], [...foundation, ...contracts, ...shared, 'lm', folder])).toEqual([]);
  });

  it('only the table and the public list name implementations', () => {
    const others = files.filter(
      (name) => !within(name, [...implementations, 'builtin.ts', 'importers.ts', 'index.ts', 'wren']),
    );
    const named = others.filter((name) => importsOf.get(name)!.some((path) => within(path, implementations)));
    expect(named).toEqual([]);
  });

  it('nothing but commands imports the viewer', () => {
    const outside = files.filter((name) => !within(name, ['viewer', 'commands']));
    expect(outside.filter((name) => importsOf.get(name)!.some((path) => within(path, ['viewer'])))).toEqual(
      [],
    );
    expect(files.filter((name) => within(name, ['viewer']))).not.toEqual([]);
    const known = files.filter((name) => within(name, ['viewer'])).flatMap((name) => importsOf.get(name)!);
    expect(
      known.filter((path) => within(path, ['commands', 'cli.ts', 'program.ts', ...implementations])),
    ).toEqual([]);
  });

  it('nothing but Wren imports Wren', () => {
    const outside = files.filter((name) => !within(name, ['wren']));
    expect(outside.filter((name) => importsOf.get(name)!.some((path) => within(path, ['wren'])))).toEqual([]);
  });

  it('only the command line prints', () => {
    const printing = files.filter(
      (name) =>
        !within(name, ['wren']) && /process\.(stdout|stderr)\.write|console\./.test(sourceOf.get(name)!),
    );
    expect(printing).toEqual(['cli.ts']);
  });
});

describe('files', () => {
  it('are short', () => {
    const long = files.filter((name) => sourceOf.get(name)!.split('\n').length > 301);
    expect(long).toEqual([]);
  });

  it('are named after what is in them', () => {
    const vague = /^(utils?|common|types|helpers?|misc|shared)$/;
    expect(files.filter((name) => name.split('/').some((part) => vague.test(basename(part, '.ts'))))).toEqual(
      [],
    );
    expect(files.filter((name) => !/^[a-z0-9-]+(\/[a-z0-9-]+)*\.ts$/.test(name))).toEqual([]);
  });

  it('never branch on the name of an arm', () => {
    const arms = "'(?:harmful|control|safe|base|mixed|tuned)'";
    const branch = new RegExp(
      `(?:\\barm(?:Name)?|\\bname|\\barm\\.name)\\s*[!=]==?\\s*${arms}|${arms}\\s*[!=]==?\\s*(?:arm|name)\\b|case ${arms}|arms(?:\\.|\\[')(?:harmful|control|safe|mixed|tuned)\\b`,
    );
    expect(branch.test("if (arm.name === 'harmful') {")).toBe(true);
    const offending = files.filter(
      (name) => !within(name, ['wren', 'init.ts']) && branch.test(sourceOf.get(name)!),
    );
    expect(offending).toEqual([]);
  });
});
