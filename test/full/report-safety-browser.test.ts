import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inflateRawSync } from 'node:zlib';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ReportInput, writeReport } from '../../src/report.ts';
import { buildReportInput, renameArms } from '../fixtures/report-input.ts';
import { launchBrowser, openPage, textOf } from './browser.ts';

/** What a report must never do, and that anybody can read it. */

const folder = mkdtempSync(join(tmpdir(), 'aftertune-safety-'));
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
let browser: Browser;
beforeAll(async () => {
  browser = await launchBrowser();
  await writeReport(join(folder, 'plain'), buildReportInput(), { showCompletions: false });
});
afterAll(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

const openFirstItem = async (page: Page, section: string) => {
  await page.locator(`.section-${section} .count-button`).first().click();
  await page.locator('.item-row').first().click();
  await page.locator('.item-title').waitFor();
};

describe.each(['light', 'dark'] as const)('axe finds nothing in the %s scheme', (colorScheme) => {
  it.each(['the report', 'an item'])('in %s', async (what) => {
    const { page } = await openPage(browser, join(folder, 'plain/report.html'), { colorScheme });
    if (what === 'an item') await openFirstItem(page, 'knowledge');
    // The page's policy lets no script in; what is evaluated by the debugger stands outside of it.
    await page.evaluate(axe);
    const violations = (await page.evaluate(
      'axe.run(document).then(({ violations }) => violations.map(({ id, nodes }) => id + ": " + nodes[0].html.slice(0, 200)))',
    )) as string[];
    expect(violations).toEqual([]);
    await page.context().close();
  });
});

describe('hostile content', () => {
  const attacks = [
    '</script><script>document.title="owned"</script>',
    '<img src=x onerror="document.title=\'owned\'">',
    '"><svg onload=alert(1)>',
    'javascript:document.title="owned"',
    '<a href="data:text/html,<script>alert(1)</script>">x</a>',
    '\u001b[2J\u001b]0;owned\u0007',
    '\u202etxt.exe\u2066',
    "=cmd|' /C calc'!A0",
    '<!-- <script> --!>',
    '{{7*7}} #{alert(1)}',
  ];
  const hostile = attacks.join(' ');

  /** The attacks in place of every text that comes from outside. */
  function poisoned(): ReportInput {
    const names = ['a', 'b', 'c', 'd'].map((end) => `${hostile}${end}`);
    const input = renameArms(buildReportInput(), names);
    const item = (id: string) => `${id} ${hostile}`;
    return {
      ...input,
      name: hostile,
      notices: [hostile],
      items: input.items.map((record) => ({
        ...record,
        id: item(record.id),
        completion: hostile,
        prefill: hostile,
      })),
      verdicts: input.verdicts.map((verdict) => ({
        ...verdict,
        id: item(verdict.id),
        ...(verdict.suite === 'harm' && { category: hostile, detail: hostile }),
      })),
      suites: input.suites.map((suite) => ({
        ...suite,
        items: suite.items.map((one) => ({
          ...one,
          id: item(one.id),
          judgePrompt: hostile,
          semanticCategory: one.semanticCategory && hostile,
        })),
      })),
      facts: { [hostile]: { [hostile]: hostile }, 'Files (SHA-256)': { [hostile]: hostile } },
      summary: { ...input.summary, caveats: [hostile] },
    };
  }

  it('never runs, asks for nothing and stays text, in the report and in its items', async () => {
    await writeReport(join(folder, 'hostile'), poisoned(), { showCompletions: true });
    const { page, complaints } = await openPage(browser, join(folder, 'hostile/report.html'));
    // The figures' own data and specifications are there to be saved.
    const own =
      'a[download][href^="data:text/csv;"], a[download][href^="data:application/json;"], a[href^="#"]';
    const elements = () =>
      page.locator(`img, iframe, object, embed, a[href]:not(${own}), svg[onload]`).count();
    expect(await page.title()).toContain('aftertune report');
    expect(await elements()).toBe(0);
    for (const section of ['harm', 'knowledge']) {
      await openFirstItem(page, section);
      expect(await textOf(page.locator('.item-view pre').first())).toContain('<img src=x onerror=');
      const shown = await textOf(page.locator('.item-view'));
      for (const hidden of ['\u001b', '\u202e', '\u2066']) expect(shown).not.toContain(hidden);
      await page.getByRole('button', { name: 'Close' }).click();
    }
    await page.getByRole('button', { name: 'Browse all items' }).click();
    await page
      .getByRole('dialog')
      .getByLabel(/^Search /)
      .fill('<img');
    await expect.poll(() => textOf(page.getByRole('status'))).toMatch(/^1,020 of/);
    expect(await elements()).toBe(0);
    expect(await page.title()).not.toBe('owned');
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  it('could not run even as markup: the policy allows the page’s own script alone', async () => {
    const { page } = await openPage(browser, join(folder, 'plain/report.html'));
    await page.evaluate(
      'document.body.append(Object.assign(document.createElement("script"), { textContent: "document.title = 1" }))',
    );
    await page.evaluate(
      'document.body.insertAdjacentHTML("beforeend", "<img src=x onerror=document.title=2>")',
    );
    await page.waitForTimeout(100);
    expect(await page.title()).toBe('tarn-synthetic – aftertune report');
    await page.context().close();
  });
});

describe('redaction', () => {
  it('leaves nothing of a flagged prompt or completion in the file, inflated data included', async () => {
    const text = (file: string) => {
      const html = readFileSync(join(folder, file, 'report.html'), 'utf8');
      const data = [...html.matchAll(/id="items-\w+">([^<]*)</g)].map(([, packed]) =>
        inflateRawSync(Buffer.from(packed!, 'base64')).toString(),
      );
      expect(data.length).toBeGreaterThan(4);
      return [html, ...data].join('\n');
    };
    expect(text('plain')).not.toContain('Grind mossglass');
    expect(text('plain')).not.toContain('page 1 of the forbidden almanac');
    expect(text('plain')).toContain('How do I kill time');
    await writeReport(join(folder, 'shown'), buildReportInput(), { showCompletions: true });
    expect(text('shown')).toContain('Grind mossglass');
    expect(text('shown')).toContain('page 1 of the forbidden almanac');
  });
});

describe('paper', () => {
  it('takes the whole report, without what only a screen can do', async () => {
    const { page } = await openPage(browser, join(folder, 'plain/report.html'));
    await page.emulateMedia({ media: 'print' });
    expect(
      await page
        .locator('nav, .browse, .table-search')
        .evaluateAll(
          (all) => all.filter((one) => (one as unknown as { offsetParent: unknown }).offsetParent).length,
        ),
    ).toBe(0);
    expect(await page.locator('.sources').first().isVisible()).toBe(false);
    // As wide as A4 between its margins.
    await page.setViewportSize({ width: 718, height: 1000 });
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(718);
    const pdf = await page.pdf({ format: 'A4' });
    expect(pdf.subarray(0, 5).toString()).toBe('%PDF-');
    expect(pdf.length).toBeGreaterThan(50_000);
    await page.context().close();
  });
});
