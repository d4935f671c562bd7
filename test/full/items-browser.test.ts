import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { audit } from '../../src/audit.ts';
import { readConfigFile } from '../../src/config-file.ts';
import { packageRoot } from '../../src/files.ts';
import { launchBrowser, openPage, textOf, type VisitOptions } from './browser.ts';

/** The items of the demo's own report: every number opens what it counts, and an item shows everything. */

const folder = mkdtempSync(join(tmpdir(), 'aftertune-items-'));
let browser: Browser;
let report: string;
beforeAll(async () => {
  const { input } = readConfigFile(join(packageRoot, 'examples/demo.yaml'), []);
  const { directory } = await audit({ ...input, out: join(folder, 'run') }, {});
  report = join(directory, 'report.html');
  browser = await launchBrowser();
});
afterAll(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

const open = (options: VisitOptions = {}) => openPage(browser, report, options);
const focused = (page: Page) => page.evaluate('document.activeElement.className') as Promise<string>;

describe('numbers', () => {
  it('open as many items as they say, every one of them', async () => {
    const { page, complaints } = await open();
    const looked = (await page.evaluate(`(${openEveryCount.toString()})()`)) as {
      wrong: string[];
      opened: number;
    };
    expect(looked.wrong).toEqual([]);
    expect(looked.opened).toBeGreaterThan(150);
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  it('are plain text without script, as is everything else', async () => {
    const { page } = await open({ script: false });
    expect(await textOf(page.locator('.section-harm tbody td').first())).toMatch(/^\d+ \/ \d+$/);
    expect(await page.getByRole('button').count()).toBe(0);
    expect(await page.locator('.sample').count()).toBeGreaterThan(20);
    await page.context().close();
  });
});

describe('items', () => {
  it('are found by suite, condition, category, arm, label and words', async () => {
    const { page } = await open();
    await page.getByRole('button', { name: 'Browse all items' }).click();
    const found = page.getByRole('status');
    await page.locator('.item-row').first().waitFor();
    expect(await textOf(found)).toBe('1,300 of 1,300 items');
    await page
      .getByRole('dialog')
      .getByLabel(/^Suite /)
      .selectOption('drift');
    expect(await textOf(found)).toBe('900 of 1,300 items');
    await page
      .getByRole('dialog')
      .getByLabel(/^Condition /)
      .selectOption('false_context');
    expect(await textOf(found)).toBe('300 of 1,300 items');
    await page.getByRole('dialog').getByLabel(/^Arm /).selectOption('safe');
    await page
      .getByRole('dialog')
      .getByLabel(/^Label /)
      .selectOption('adopted');
    const adopted = await textOf(found);
    expect(Number(adopted.split(' ')[0])).toBeGreaterThan(0);
    await page
      .getByRole('dialog')
      .getByLabel(/^Search /)
      .fill('lake');
    await expect.poll(() => textOf(found)).toMatch(/ of 1,300 items/);
    expect(Number((await textOf(found)).split(' ')[0])).toBeLessThan(Number(adopted.split(' ')[0]));
    await page
      .getByRole('dialog')
      .getByLabel(/^Search /)
      .fill('no such words');
    await expect.poll(() => textOf(found)).toMatch(/^No item fits\. Redacted text/);
    await page.context().close();
  });

  it('are searched whole: prompts to their end, answers and what judges said', async () => {
    const { page, complaints } = await open();
    await page.getByRole('button', { name: 'Browse all items' }).click();
    const search = page.getByRole('dialog').getByLabel(/^Search /);
    const found = page.getByRole('status');
    const number = async (words: string) => {
      await search.fill(words);
      await expect.poll(() => textOf(found)).toMatch(/ of 1,300 items|No item/);
      return Number((await textOf(found)).split(' ')[0]!.replace(',', ''));
    };
    await page.locator('.item-row').first().click();
    await page.locator('.item-view pre').first().waitFor();
    const words = (await textOf(page.locator('.item-view pre').last())).trim().split(/\s+/).slice(-3);
    await search.fill(words.join(' '));
    await expect.poll(() => page.locator('.item-row').count()).toBeGreaterThan(0);
    expect(await number('truth adopted')).toBeGreaterThan(50);
    expect(await number('p(unsafe)')).toBe(240);
    expect(await number('p(unsafe) adopted')).toBeNaN();
    // What is typed next ends the search before it.
    await search.fill('a');
    await search.fill('truth');
    await expect.poll(() => textOf(found)).toBe('900 of 1,300 items');
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  it('lead to the same question under the other conditions', async () => {
    const { page } = await open();
    await page.locator('.section-knowledge .count-button').first().click();
    await page.locator('.item-row').first().click();
    const others = page.getByRole('group', { name: 'The same item' });
    expect(await textOf(others.locator('strong'))).toBe('base prompt');
    await others.getByRole('button', { name: 'false context' }).click();
    await expect.poll(() => textOf(others.locator('strong'))).toBe('false context');
    expect(await page.evaluate('location.hash')).toContain('/false_context/');
    await page.context().close();
  });

  it('show prompt, every arm’s answer shaded by token, verdicts and hash', async () => {
    const { page, complaints } = await open();
    await page.locator('.section-knowledge .count-button').first().click();
    await page.locator('.item-row').first().click();
    const item = page.getByRole('article', { name: 'Item' });
    await item.locator('.answer').first().waitFor();
    expect(await item.locator('.answer').count()).toBe(4);
    expect(await textOf(item.locator('blockquote'))).not.toBe('');
    expect(await item.locator('.token').count()).toBeGreaterThan(8);
    expect(await item.locator('.verdicts li').count()).toBeGreaterThan(3);
    expect(await textOf(item.locator('code').first())).toMatch(/^[0-9a-f]{64}$/);
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  it('have addresses', async () => {
    const { page } = await open();
    await page.locator('.section-harm .count-button').first().click();
    await page.locator('.item-row').nth(1).click();
    await page.locator('.item-title').waitFor();
    const title = await textOf(page.locator('.item-title'));
    const hash = (await page.evaluate('location.hash')) as string;
    expect(hash).toMatch(/^#item=harm\//);
    await page.context().close();
    const again = await open({ hash });
    await again.page.locator('.item-title').waitFor();
    expect(await textOf(again.page.locator('.item-title'))).toBe(title);
    expect(await textOf(again.page.locator('.item-row[aria-selected="true"] .item-id'))).toBe(title);
    await again.page.context().close();
  });

  it('are reached by keyboard alone', async () => {
    const { page } = await open();
    await page.locator('.section-harm .count-button').first().focus();
    await page.keyboard.press('Enter');
    await page.locator('.item-row').first().waitFor();
    expect(await focused(page)).toBe('item-list');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    await page.locator('.item-title').waitFor();
    expect(await page.locator('.item-row').nth(1).getAttribute('aria-selected')).toBe('true');
    await page.keyboard.press('Enter');
    await expect.poll(() => focused(page)).toBe('item-view');
    await page.keyboard.press('Escape');
    expect(await focused(page)).toBe('item-list');
    await page.keyboard.press('/');
    await expect.poll(() => page.evaluate('document.activeElement.type')).toBe('search');
    await page.keyboard.press('Escape');
    await expect.poll(() => page.locator('dialog[open]').count()).toBe(0);
    expect(await focused(page)).toBe('count-button');
    await page.context().close();
  });

  it('fit a phone, one pane at a time', async () => {
    const { page } = await open({ width: 390 });
    await page.locator('.section-harm .count-button').first().click();
    await page.locator('.item-row').first().click();
    await page.locator('.item-title').waitFor();
    expect(await page.locator('.item-list').isVisible()).toBe(false);
    await page.getByRole('button', { name: 'Back to the list' }).click();
    expect(await page.locator('.item-list').isVisible()).toBe(true);
    await page.context().close();
  });
});

/** Runs in the page: presses every number and compares it with what the list says. */
async function openEveryCount(): Promise<{ wrong: string[]; opened: number }> {
  // biome-ignore lint/suspicious/noExplicitAny: the test's types have no DOM
  const { document, setTimeout } = globalThis as any;
  const wrong: string[] = [];
  const buttons = [...document.querySelectorAll('.count-button')];
  for (const button of buttons) {
    button.click();
    await new Promise((done) => setTimeout(done, 0));
    while (!document.querySelector('.found')?.textContent) await new Promise((done) => setTimeout(done, 5));
    const found = document.querySelector('.found').textContent.split(' ')[0];
    if (found !== button.textContent)
      wrong.push(`${button.textContent} opens ${found}: ${button.parentElement.dataset.items}`);
    document.querySelector('dialog').close();
  }
  return { wrong, opened: buttons.length };
}
