import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createRandom } from '../../src/random.ts';
import type { ItemRecord } from '../../src/record.ts';
import { type ReportInput, writeReport } from '../../src/report.ts';
import { buildReportInput } from '../fixtures/report-input.ts';
import { launchBrowser, openPage, textOf } from './browser.ts';

/** How large a report is and how soon it can be read; `npm run test:full` prints what it measured. */

const folder = mkdtempSync(join(tmpdir(), 'aftertune-size-'));
let browser: Browser;
beforeAll(async () => {
  browser = await launchBrowser();
});
afterAll(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

const syllables = 'ka lo mi ren tu sha vel or an dis po gri em bal ton we ist ra cu fen'.split(' ');
/** Some 8,000 words, of which few are frequent: by Zipf's law, as in a text. */
const vocabulary = syllables.flatMap((a) => syllables.flatMap((b) => syllables.map((c) => ` ${a}${b}${c}`)));

/** `items` questions to three arms, each answered in so many tokens of random words. */
function large(items: number, tokens: number): ReportInput {
  const input = buildReportInput();
  const arms = ['base', 'harmful', 'safe'];
  const random = createRandom('report size', tokens);
  const template = input.items.find(({ suite }) => suite === 'drift')!;
  const verdict = input.verdicts.find(({ suite }) => suite === 'drift')!;
  const suite = input.suites.find(({ kind }) => kind === 'drift')!;
  const ids = Array.from({ length: items }, (_, at) => `question-${at}`);
  const answer = (arm: string, id: string): ItemRecord => {
    const words = Array.from(
      { length: tokens },
      () => vocabulary[Math.floor(vocabulary.length ** random.next()) - 1]!,
    );
    return {
      ...template,
      arm,
      id,
      condition: 'base_prompt',
      completion: words.join(''),
      tokenLengths: words.map(({ length }) => length),
      logProbabilities: words.map(() => Number((-3 * random.next() ** 4).toFixed(4))),
    };
  };
  const pick = (record: Readonly<Record<string, unknown>>) =>
    Object.fromEntries(arms.map((arm) => [arm, record[arm]]));
  return {
    ...input,
    summary: { ...input.summary, arms: pick(input.summary.arms) as ReportInput['summary']['arms'] },
    suites: [
      {
        ...suite,
        items: ids.map((id, at) => ({
          ...suite.items[0]!,
          id,
          judgePrompt: `Who keeps lantern ${at} of the quay?`,
        })),
      },
    ],
    items: ids.flatMap((id) => arms.map((arm) => answer(arm, id))),
    verdicts: ids.flatMap((id) => arms.map((arm) => ({ ...verdict, arm, id, condition: 'base_prompt' }))),
  };
}

/** The quickest of three: what else the machine does is not the page's. */
async function openQuickly(file: string) {
  let least = Number.POSITIVE_INFINITY;
  for (let times = 1; ; times++) {
    const before = performance.now();
    const opened = await openPage(browser, file);
    least = Math.min(least, performance.now() - before);
    if (times === 3) return { ...opened, opened: least };
    await opened.page.context().close();
  }
}

/** Megabytes, and milliseconds until the list of all items stands. */
async function measure(items: number, tokens: number) {
  const name = `${items}-${tokens}`;
  await writeReport(join(folder, name), large(items, tokens), { showCompletions: false });
  const file = join(folder, name, 'report.html');
  const { page, complaints, opened } = await openQuickly(file);
  const pressed = performance.now();
  await page.getByRole('button', { name: 'Browse all items' }).click();
  await page.locator('.item-row').first().waitFor();
  const listed = performance.now() - pressed;
  await page.keyboard.press('End');
  await page.locator('.item-title').waitFor();
  const rows = await page.locator('.item-row').count();
  expect(rows).toBeLessThan(60);
  expect(complaints).toEqual([]);
  const found = await textOf(page.getByRole('status'));
  const typed = performance.now();
  await page
    .getByRole('dialog')
    .getByLabel(/^Search /)
    .fill(`question-${items - 1}`);
  await expect
    .poll(() => textOf(page.getByRole('status')), { timeout: 20_000 })
    .toMatch(/ of [\d,]+ items|No item/);
  const searched = performance.now() - typed;
  const paragraph = await textOf(page.locator('.section-items > p'));
  await page.context().close();
  const size = statSync(file).size / 1e6;
  process.stdout.write(
    `${items} items × 3 arms × ${tokens} tokens: ${size.toFixed(2)} MB, opens in ${opened.toFixed(0)} ms, lists in ${listed.toFixed(0)} ms, searches all text in ${searched.toFixed(0)} ms\n`,
  );
  return { size, opened, listed, searched, found, paragraph };
}

it('1,000 items of 100-token answers by three arms stay under 5 MB and open within a second', async () => {
  const { size, opened, listed } = await measure(1_000, 100);
  expect(size).toBeLessThan(5);
  expect(opened).toBeLessThan(1_000);
  expect(listed).toBeLessThan(1_000);
});

it('512-token answers make a file that still opens', async () => {
  const { size, opened } = await measure(1_000, 512);
  expect(size).toBeLessThan(25);
  expect(opened).toBeLessThan(2_000);
});

it('50,000 items stay usable, whole while they are short and sampled with a notice where they are not', async () => {
  const whole = await measure(50_000, 8);
  expect(whole.found).toBe('50,000 of 50,000 items');
  expect(whole.listed).toBeLessThan(3_000);
  expect(whole.searched).toBeLessThan(8_000);
  const sampled = await measure(60_000, 8);
  expect(sampled.found).toMatch(/ \(of 60,000 in the run\)$/);
  expect(sampled.paragraph).toMatch(/^Of 60,000 items this page holds \d/);
});
