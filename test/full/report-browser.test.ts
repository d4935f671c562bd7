import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeReport } from '../../src/report.ts';
import { buildReportInput } from '../fixtures/report-input.ts';
import { launchBrowser, openPage } from './browser.ts';

const folder = mkdtempSync(join(tmpdir(), 'aftertune-browser-'));
const hostile =
  '</pre><script>document.title="owned"</script><img src="http://example.invalid/x.png" onerror="document.title=1">';
let browser: Browser;

beforeAll(async () => {
  const input = buildReportInput();
  const items = input.items.map((item) => (item.suite === 'drift' ? { ...item, completion: hostile } : item));
  await writeReport(folder, { ...input, items }, { showCompletions: false });
  browser = await launchBrowser();
});

afterAll(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

const open = (file: string, options = {}) => openPage(browser, join(folder, file), options);

describe('report.html in a browser', () => {
  it('loads without a request, a foreign script or a complaint, hostile completions included', async () => {
    const { page, complaints } = await open('report.html');
    expect(complaints).toEqual([]);
    expect(await page.title()).toBe('tarn-synthetic – aftertune report');
    expect(await page.locator('script:not([type])').count()).toBe(1);
    expect(await page.locator('img, link, iframe').count()).toBe(0);
    expect(await page.getByText(hostile).count()).toBe(12 * 4);
    await page.context().close();
  });

  it('shows every table and figure, each with its caption', async () => {
    const { page } = await open('report.html');
    const figures = page.locator('figure:not(.table)');
    expect(await figures.count()).toBe(11);
    for (const figure of await figures.all()) {
      const box = await figure.locator('svg').boundingBox();
      // Two judges make a square of four cells.
      const isSquare = (await figure.locator('.scroll').getAttribute('aria-label')) === 'judge-agreement.svg';
      expect(box!.width).toBeGreaterThan(isSquare ? 200 : 400);
      expect(box!.height).toBeGreaterThan(100);
      expect((await figure.locator('figcaption').textContent())?.length).toBeGreaterThan(30);
      expect(await figure.getByRole('img').getAttribute('aria-labelledby')).toMatch(/-title .*-desc$/);
    }
    const tables = page.locator('figure.table');
    expect(await tables.count()).toBeGreaterThan(14);
    for (const table of await tables.all()) {
      expect(await table.locator('tbody tr').first().isVisible()).toBe(true);
      expect(await table.locator('figcaption').isVisible()).toBe(true);
    }
    await page.context().close();
  });

  it('sorts a table by any heading: largest first, smallest first, as written', async () => {
    const { page } = await open('report.html');
    const table = page.locator('.section-harm table').first();
    const arms = () => table.locator('tbody th').allInnerTexts();
    const heading = table.locator('th', { hasText: 'rate [95 %]' });
    const written = await arms();
    await heading.getByRole('button').click();
    expect(await heading.getAttribute('aria-sort')).toBe('descending');
    expect(await arms()).toEqual(['harmful', 'base', 'control', 'safe']);
    await page.keyboard.press('Enter');
    expect(await heading.getAttribute('aria-sort')).toBe('ascending');
    expect(await arms()).toEqual(['safe', 'control', 'base', 'harmful']);
    await page.keyboard.press('Enter');
    expect(await heading.getAttribute('aria-sort')).toBeNull();
    expect(await arms()).toEqual(written);
    await page.context().close();
  });

  it('searches a larger table, its merged headers with every row', async () => {
    const { page } = await open('report.html');
    const table = page.locator('.section-knowledge figure.table').first();
    const search = table.getByRole('searchbox');
    const rows = await table.locator('tbody tr').count();
    await search.fill('false safe');
    expect(await table.locator('tbody tr').count()).toBe(1);
    expect(await table.locator('tbody th:visible').allInnerTexts()).toEqual(['false context', 'safe']);
    await search.fill('');
    expect(await table.locator('tbody tr').count()).toBe(rows);
    await page.context().close();
  });

  it('has landmarks, one heading of the first order, and links that lead somewhere', async () => {
    const { page } = await open('report.html');
    expect(await page.getByRole('main').count()).toBe(1);
    expect(await page.getByRole('navigation', { name: 'Sections' }).count()).toBe(1);
    expect(await page.getByRole('heading', { level: 1 }).allInnerTexts()).toEqual(['tarn-synthetic']);
    const targets = await page
      .locator('a[href^="#"]')
      .evaluateAll((links) => links.map((link) => (link as unknown as { hash: string }).hash));
    for (const target of targets) expect(await page.locator(target).count()).toBe(1);
    expect(await page.getByText('exit code 2', { exact: true }).isVisible()).toBe(true);
    await page.context().close();
  });

  it('hands out every figure’s data and specification from the file itself', async () => {
    const { page } = await open('report.html');
    for (const name of ['asr.csv', 'flips.vl.json']) {
      const [download] = await Promise.all([
        page.waitForEvent('download'),
        page.getByRole('link', { name, exact: true }).click(),
      ]);
      expect(download.suggestedFilename()).toBe(name);
      const saved = readFileSync(await download.path(), 'utf8');
      expect(saved).toBe(readFileSync(join(folder, 'figures', name), 'utf8'));
    }
    await page.context().close();
  });

  it('fits a phone without scrolling sideways', async () => {
    const { page } = await open('report.html', { width: 390 });
    const [content, window] = (await page.evaluate('[document.documentElement.scrollWidth, innerWidth]')) as [
      number,
      number,
    ];
    expect(content).toBeLessThanOrEqual(window);
    await page.context().close();
  });

  it.each(['light', 'dark'] as const)('has enough contrast in the %s scheme', async (colorScheme) => {
    const { page } = await open('report.html', { colorScheme });
    const { weak, looked } = (await page.evaluate(`(${weakContrasts.toString()})()`)) as ReturnType<
      typeof weakContrasts
    >;
    expect(weak).toEqual([]);
    expect(looked).toBeGreaterThan(1_000);
    await page.context().close();
  });

  it.each(['asr', 'asr-by-category', 'effects', 'flips', 'reliability', 'roc', 'uncertainty', 'loss'])(
    '%s.svg opens by itself as well-formed XML',
    async (name) => {
      const { page, complaints } = await open(`figures/${name}.svg`, { colorScheme: 'dark' });
      expect(await page.evaluate('document.documentElement.nodeName')).toBe('svg');
      expect(await page.locator('parsererror').count()).toBe(0);
      expect(complaints).toEqual([]);
      await page.context().close();
    },
  );
});

/** Runs in the page: how many texts there are, and those whose contrast with what lies behind it is under WCAG's 4.5. */
function weakContrasts(): { weak: string[]; looked: number } {
  // biome-ignore lint/suspicious/noExplicitAny: the test's types have no DOM
  const { document, getComputedStyle, NodeFilter } = globalThis as any;
  const channels = (colour: string) => (colour.match(/[\d.]+/g) ?? []).map(Number);
  const luminance = (colour: string) => {
    const [red = 0, green = 0, blue = 0] = channels(colour).map((value) =>
      value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4,
    );
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const walker = document.createTreeWalker(document.querySelector('main'), NodeFilter.SHOW_TEXT);
  /** The paint of the last opaque shape of the same drawing that a text's middle lies on. */
  // biome-ignore lint/suspicious/noExplicitAny: the test's types have no DOM
  const filledBehind = (text: any): string | undefined => {
    if (!text.getAttribute('fill')?.startsWith('#')) return undefined;
    const { x, y, width, height } = text.getBoundingClientRect();
    const [across, down] = [x + width / 2, y + height / 2];
    // biome-ignore lint/suspicious/noExplicitAny: as above
    const shapes = [...text.closest('svg').querySelectorAll('path[fill^="#"], path[fill^="rgb"]')] as any[];
    const under = shapes.filter((shape) => {
      const box = shape.getBoundingClientRect();
      return box.left <= across && across <= box.right && box.top <= down && down <= box.bottom;
    });
    return under.length > 0 ? getComputedStyle(under.at(-1)).fill : undefined;
  };
  const weak = new Set<string>();
  let looked = 0;
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (node.data.trim() === '' || element.closest('style, title, desc')) continue;
    looked++;
    let behind = element;
    while (behind.parentElement && (channels(getComputedStyle(behind).backgroundColor)[3] ?? 1) === 0)
      behind = behind.parentElement;
    const style = getComputedStyle(element);
    const paint = element.namespaceURI.endsWith('svg') ? style.fill : style.color;
    const back = filledBehind(element) ?? getComputedStyle(behind).backgroundColor;
    const [light = 0, dark = 0] = [luminance(paint), luminance(back)].sort((a, b) => b - a);
    if ((light + 0.05) / (dark + 0.05) < 4.5)
      weak.add(`${paint} on ${back}: ${node.data.trim().slice(0, 40)}`);
  }
  return { weak: [...weak], looked };
}
