import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { audit } from '../src/audit.ts';
import { rewriteReport } from '../src/run-report.ts';
import { mockConfig, mockFolder, mockParts } from './mock-world.ts';

/** A report of what is no whole run says so at the top, shows what there is, and is no success. */

const folder = mockFolder();
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let whole: string;
beforeAll(async () => {
  whole = (await audit(mockConfig, { directory: folder, builtin: mockParts() })).directory;
});

/** The error and the report of a copy of the run that something happened to. */
async function reportAfter(name: string, happen: (directory: string) => void) {
  const directory = join(folder, name);
  cpSync(whole, directory, { recursive: true });
  happen(directory);
  const error = await rewriteReport(directory, { showCompletions: false }).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'store', exitCode: 1 });
  const [html, markdown] = ['report.html', 'report.md'].map((file) =>
    readFileSync(join(directory, file), 'utf8'),
  );
  expect(html).toContain('class="notices"');
  expect(markdown!.split('\n')[2]).toMatch(/^> \*\*This is not the report of a whole run\./);
  return { error: error as Error, html: html!, markdown: markdown! };
}

const lines = (path: string, change: (all: string[]) => string[]) =>
  writeFileSync(path, change(readFileSync(path, 'utf8').split('\n')).join('\n'));

describe('the report of', () => {
  it('an unfinished run has its answers and no result', async () => {
    const { error, html, markdown } = await reportAfter('unfinished', (directory) => {
      for (const name of ['done.json', 'summary.json', 'setting.json']) rmSync(join(directory, name));
      lines(join(directory, 'items.jsonl'), (all) => all.slice(0, 9));
    });
    expect(error.message).toContain('not finished');
    expect(markdown).toContain('This run has no result: nothing was compared.');
    expect(markdown).not.toContain('## Gate');
    expect(markdown).toContain('Records that could be read.');
    expect(html).toContain('id="items-index"');
  });

  it('a run with a damaged line names the line and keeps the numbers', async () => {
    const { markdown, html } = await reportAfter('damaged', (directory) =>
      lines(join(directory, 'items.jsonl'), ([first, , ...rest]) => [first!, '{"torn', ...rest]),
    );
    expect(markdown).toContain('line 2 is damaged: is not JSON');
    expect(markdown).toContain('left in summary.json');
    expect(markdown).toContain('## Gate');
    expect(html).toContain('id="items-index"');
  });

  it('a run of another version says which', async () => {
    const { markdown } = await reportAfter('older', (directory) => {
      for (const name of ['items.jsonl', 'summary.json']) {
        const path = join(directory, name);
        writeFileSync(
          path,
          readFileSync(path, 'utf8').replaceAll(/aftertune\/(item|summary)@1/g, 'aftertune/$1@0'),
        );
      }
    });
    expect(markdown).toContain('is a aftertune/item@0, which this version does not read');
    expect(markdown).toMatch(/Left out: [\d,]+ lines\./);
  });

  it('an empty run says that there is nothing', async () => {
    const { markdown } = await reportAfter('empty', (directory) => {
      for (const name of ['done.json', 'summary.json', 'setting.json', 'verdicts.jsonl'])
        rmSync(join(directory, name));
      writeFileSync(join(directory, 'items.jsonl'), '');
    });
    expect(markdown).toContain('No answer is on record.');
  });

  it('a folder without a run is refused', async () => {
    await expect(rewriteReport(folder, { showCompletions: false })).rejects.toMatchObject({ code: 'store' });
  });
});
