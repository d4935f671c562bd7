import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { packageRoot } from '../../src/files.ts';
import { writeReport } from '../../src/report.ts';
import { buildFigureInput } from '../fixtures/figure-input.ts';

/** The specifications that a report offers draw the same figures by Vega-Lite alone, in a process that knows nothing of this package. */

const folder = mkdtempSync(join(tmpdir(), 'aftertune-specifications-'));
beforeAll(async () => {
  await writeReport(join(folder, 'run'), buildFigureInput(), { showCompletions: false });
  symlinkSync(join(packageRoot, 'node_modules'), join(folder, 'node_modules'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const script = `
import { readFileSync } from 'node:fs';
import * as vega from 'vega';
import { compile, version } from 'vega-lite';
const results = [];
for (const file of process.argv.slice(2)) {
  const said = [];
  const logger = { level: () => logger, error: (...all) => (said.push(all.join(' ')), logger), warn: (...all) => (said.push(all.join(' ')), logger), info: () => logger, debug: () => logger };
  const specification = JSON.parse(readFileSync(file, 'utf8'));
  const { spec } = compile(specification, { logger });
  const loader = vega.loader();
  loader.load = () => { throw new Error('asks for a file'); };
  const view = new vega.View(vega.parse(spec), { renderer: 'none', loader, logger });
  const svg = await view.toSVG();
  results.push({ file, said, schema: specification.$schema, version, marks: (svg.match(/<(?:path|line|text|rect) /g) ?? []).length, svg: svg.replace(/<style.*?<\\/style>/g, '') });
}
console.log(JSON.stringify(results));
`;

it('every one compiles without a warning and draws its data', () => {
  writeFileSync(join(folder, 'draw.mjs'), script);
  const figures = join(folder, 'run/figures');
  const files = readdirSync(figures).filter((name) => name.endsWith('.vl.json'));
  expect(files.length).toBe(14);
  const paths = files.map((name) => join(figures, name));
  const { status, stdout, stderr } = spawnSync(process.execPath, ['draw.mjs', ...paths], {
    ...{ cwd: folder, encoding: 'utf8', maxBuffer: 1 << 28 },
  });
  expect(status, stderr).toBe(0);
  const results = JSON.parse(stdout) as Record<'file' | 'schema' | 'version' | 'svg', string>[] &
    { said: string[]; marks: number }[];
  for (const { file, said, schema, version, marks, svg } of results) {
    // Layers that filter are forks of the same data, which is what Vega-Lite assumes.
    const warnings = said.filter((one) => !one.startsWith('Detected faceted independent scales'));
    expect([file, warnings]).toEqual([file, []]);
    expect(schema).toBe(`https://vega.github.io/schema/vega-lite/v${version.split('.')[0]}.json`);
    expect([file, marks > 15]).toEqual([file, true]);
    expect([file, /NaN|undefined|Infinity/.test(svg)]).toEqual([file, false]);
    // Ink on paper of its own: it is read on any page.
    expect(svg).not.toContain('currentColor');
    expect(svg).toContain('fill="#fff"');
  }
});
