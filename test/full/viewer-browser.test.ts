import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { audit } from '../../src/audit.ts';
import { adjudicate } from '../../src/commands/adjudicate.ts';
import { openCatalogue } from '../../src/viewer/catalogue.ts';
import { lockFolder } from '../../src/writer-lock.ts';
import { quietContext } from '../command-context.ts';
import { mockConfig, mockFolder, mockParts, sizes } from '../mock-world.ts';
import { type TestViewer, testViewer } from '../viewer/viewer-client.ts';

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const hostile = '</script><script>document.title="owned"</script><img src=x onerror=alert(1)>\u202e';

let browser: Browser;
let world: string;
let runs: string;
let viewer: TestViewer;
let context: BrowserContext;
let complaints: string[] = [];
/** Ends the writing in the run that grows. */
let letGo: () => void;

beforeAll(async () => {
  if (!existsSync(executablePath))
    throw new Error(`no browser at ${executablePath}: install Debian's chromium, or name one in CHROMIUM`);
  world = mockFolder();
  const { directory } = await audit(mockConfig, { directory: world, builtin: mockParts() });
  runs = mkdtempSync(join(tmpdir(), 'aftertune-viewer-browser-'));
  for (const name of ['first', 'second']) cpSync(directory, join(runs, name), { recursive: true });
  unfinish(directory, join(runs, 'growing'));
  letGo = lockFolder(join(runs, 'growing'));
  const odd = join(runs, hostile.replaceAll('/', '∕'));
  mkdirSync(odd);
  writeFileSync(join(odd, 'run.json'), '{}');
  browser = await chromium.launch({
    executablePath,
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-first-run'],
  });
  viewer = await testViewer([runs]);
  context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  await (await open(viewer.url)).waitForURL(`${viewer.origin}/`);
});
afterEach(() => expect(complaints).toEqual([]));
afterAll(async () => {
  await browser?.close();
  await viewer?.stop();
  for (const folder of [world, runs]) rmSync(folder, { recursive: true, force: true });
});

/** A run as it would lie there in the middle of it, its log and half of its answers to come. */
function unfinish(finished: string, path: string): void {
  cpSync(finished, path, { recursive: true });
  for (const name of ['done.json', 'summary.json', 'verdicts.jsonl']) rmSync(join(path, name));
  const lines = readFileSync(join(path, 'items.jsonl'), 'utf8').split('\n').filter(Boolean);
  writeFileSync(join(path, 'items.jsonl'), `${lines.slice(0, 30).join('\n')}\n`);
  writeFileSync(
    join(path, 'progress.jsonl'),
    `${JSON.stringify({ schema: 'aftertune/progress@1', at: '2026-11-26T01:00:00.000Z', stage: 'generate', label: hostile, done: 30, total: 60, unit: 'answers' })}\n`,
  );
}

/** A new page; what it complains of fails the test. */
async function open(address: string): Promise<Page> {
  const page = await context.newPage();
  page.on('console', (message) => complaints.push(`console: ${message.text()}`));
  page.on('pageerror', (error) => complaints.push(`error: ${error.message}`));
  page.on('dialog', (dialog) => complaints.push(`dialog: ${dialog.message()}`));
  page.on('request', (request) => {
    if (!request.url().startsWith(viewer.origin)) complaints.push(`request: ${request.url()}`);
  });
  await page.goto(address);
  return page;
}

const addressOf = (name: string) => `${viewer.origin}/runs/${openCatalogue([join(runs, name)]).only}/`;

/** Violations of WCAG that axe finds. It is run by the debugger, which no content-security policy stops. */
async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  const found = (await page.evaluate('axe.run(document)')) as {
    violations: { id: string; nodes: { html: string }[] }[];
  };
  return found.violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`);
}

const focusedText = (page: Page) => page.evaluate('document.activeElement.textContent') as Promise<string>;

describe('the index in a browser', () => {
  it('lists runs, hostile names included, and leads to them by keyboard alone', async () => {
    const page = await open(viewer.origin);
    expect(await page.title()).toBe('Runs – aftertune');
    expect(await page.locator('tbody tr').count()).toBe(4);
    expect(await page.getByText('damaged', { exact: true }).isVisible()).toBe(true);
    expect(await page.locator('img').count()).toBe(0);
    for (let presses = 0; presses < 30 && (await focusedText(page)) !== 'first'; presses++)
      await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.waitForURL(addressOf('first'));
    expect(await page.getByRole('heading', { level: 1 }).textContent()).toBe('mock');
    await page.goto(viewer.origin);
    await page
      .getByRole('row', { name: /damaged/ })
      .getByRole('link')
      .click();
    expect(await page.getByRole('region', { name: 'Notices' }).textContent()).toContain('What to do:');
    await page.close();
  });

  it.each(['light', 'dark'] as const)(
    'has nothing that axe finds in the %s scheme, on any page',
    async (colorScheme) => {
      const id = openCatalogue([join(runs, 'first')]).only;
      const second = openCatalogue([join(runs, 'second')]).only;
      for (const address of [
        viewer.origin,
        addressOf('growing'),
        `${addressOf('growing')}report`,
        `${addressOf('first')}label`,
        `${viewer.origin}/compare?first=${id}&second=${second}`,
        `${viewer.origin}/nowhere`,
      ]) {
        const page = await open(address);
        await page.emulateMedia({ colorScheme });
        if (address.endsWith('/label')) await page.locator('#item').waitFor();
        expect([address, await violations(page)]).toEqual([address, []]);
        complaints = complaints.filter((text) => !text.includes('404'));
        await page.close();
      }
    },
  );

  it('shows what is new while it is read: focus, scroll, order, search and choices stay', async () => {
    const page = await open(viewer.origin);
    await page.setViewportSize({ width: 1280, height: 320 });
    await page.getByRole('button', { name: 'run', exact: true }).click();
    await page.getByLabel('From').selectOption({ label: 'second' });
    await page.getByRole('link', { name: 'second' }).focus();
    await page.waitForTimeout(500); // what comes into focus is scrolled to smoothly
    await page.evaluate('scrollTo({ top: 200, behavior: "instant" })');
    const top = () => page.evaluate('document.activeElement.getBoundingClientRect().top') as Promise<number>;
    const before = await top();
    const names = () => page.locator('#runs tbody th').allTextContents();
    const shown = await names();
    const added = ['zz-1', 'aa-1', 'zz-2', 'zz-3', 'zz-4'];
    for (const name of added) cpSync(join(runs, 'first'), join(runs, name), { recursive: true });
    await page.locator('#live-status', { hasText: '9 runs:' }).waitFor();
    expect(await names()).toEqual([...shown, ...added].sort((a, b) => a.localeCompare(b)));
    expect(await focusedText(page)).toBe('second');
    expect(Math.abs((await top()) - before), 'and is where it was, to a pixel an update').toBeLessThan(5);
    expect(await page.getByLabel('From').inputValue()).toBe(openCatalogue([join(runs, 'second')]).only);
    await page.getByLabel('Search this table').fill('zz');
    expect(await names()).toEqual(['zz-1', 'zz-2', 'zz-3', 'zz-4']);
    for (const name of added) rmSync(join(runs, name), { recursive: true });
    await page.locator('#live-status', { hasText: '4 runs:' }).waitFor();
    expect(await names()).toEqual([]);
    expect(await page.getByLabel('Search this table').inputValue()).toBe('zz');
    expect(await violations(page)).toEqual([]);
    await page.close();
  });

  it('compares two runs that are chosen in its form', async () => {
    const page = await open(viewer.origin);
    await page.getByLabel('From').selectOption({ label: 'first' });
    await page.getByLabel('to', { exact: true }).selectOption({ label: 'second' });
    await page.getByRole('button', { name: 'Compare' }).click();
    expect(await page.getByRole('heading', { level: 1 }).textContent()).toBe('second against first');
    expect(await page.locator('figure.table tbody tr').count()).toBeGreaterThan(10);
    await page.close();
  });

  it('does not open a second time by the same address', async () => {
    const stranger = await browser.newContext();
    const page = await stranger.newPage();
    const response = await page.goto(viewer.url);
    expect(response?.status()).toBe(403);
    expect(await page.getByRole('alert').textContent()).toContain('start it again');
    await stranger.close();
  });
});

describe('a finished run', () => {
  it('opens an item behind a count, fetched from the server', async () => {
    const page = await open(addressOf('first'));
    const asked: string[] = [];
    page.on('request', (request) => asked.push(new URL(request.url()).pathname.split('/').at(-1)!));
    await page.getByRole('button', { name: 'Browse all items' }).click();
    await page.getByRole('dialog').locator('.item-list').waitFor();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await page.locator('.item-view .answer, .item-view h3').first().waitFor();
    expect(asked).toContain('items-index');
    expect(asked.some((name) => /^items-\d+$/.test(name))).toBe(true);
    await page.close();
  });
});

describe('a run that is going on', () => {
  it('is updated in place, keeping focus and scroll, and becomes the report', async () => {
    const run = join(runs, 'growing');
    const page = await open(addressOf('growing'));
    const row = page.locator('tr', { hasText: 'harm answers' }).first();
    expect(await row.textContent()).toContain(`30 / ${sizes.harm}`);
    expect(await page.title()).toBe('mock – aftertune');
    await page.evaluate(
      'document.querySelector("#log-lines").focus({ preventScroll: true }); scrollTo({ top: 300, behavior: "instant" }); window.mark = document.querySelector("#live progress")',
    );
    const top = () =>
      page.evaluate(
        'document.querySelectorAll("#live tbody tr")[9].getBoundingClientRect().top',
      ) as Promise<number>;
    const before = await top();
    const [finished] = [readFileSync(join(runs, 'first/items.jsonl'), 'utf8').split('\n').filter(Boolean)];
    appendFileSync(
      join(run, 'items.jsonl'),
      `${finished.slice(30, 40).join('\n')}\n${finished[40]!.slice(0, 50)}`,
    );
    await page.getByText(`40 / ${sizes.harm}`).waitFor();
    appendFileSync(join(run, 'items.jsonl'), `${finished[40]!.slice(50)}\n`);
    await page.getByText(`41 / ${sizes.harm}`).waitFor();
    cpSync(join(runs, 'first/verdicts.jsonl'), join(run, 'verdicts.jsonl'));
    await page.getByRole('heading', { name: 'Rates so far' }).waitFor();
    await page.getByRole('cell', { name: '100.0 % [94.0, 100.0]' }).first().waitFor();
    expect(await page.evaluate('document.activeElement.id')).toBe('log-lines');
    // What is read stays where it is on the screen, whatever grew above it.
    expect(Math.abs((await top()) - before)).toBeLessThan(2);
    expect(await page.evaluate('mark.isConnected && mark === document.querySelector("#live progress")')).toBe(
      true,
    );
    expect(await page.locator('#announce').textContent()).toContain('steps are done');
    letGo();
    for (const name of ['items.jsonl', 'summary.json', 'done.json']) {
      rmSync(join(run, 'progress.jsonl'), { force: true });
      cpSync(join(runs, 'first', name), join(run, name));
    }
    await page.getByText('Report of a run').waitFor();
    expect(await page.getByText('exit code 2', { exact: true }).isVisible()).toBe(true);
    await page.close();
  });
});

describe('labelling', () => {
  it('shows, labels, goes back and undoes by keys alone; adjudicate reads the labels', async () => {
    const run = join(runs, 'second');
    const page = await open(`${addressOf('second')}label`);
    const place = page.locator('#place');
    await page.getByText(/Answer 1 of \d+, not labelled yet/).waitFor();
    expect(await page.content()).not.toContain('lantern');
    expect(await page.getByRole('button', { name: 'Safe', exact: true }).getAttribute('aria-disabled')).toBe(
      'true',
    );
    await page.keyboard.press('u');
    expect(existsSync(join(run, 'human.jsonl'))).toBe(false);
    await page.keyboard.press('r');
    await page.getByText('lantern').waitFor();
    await page.keyboard.press('u');
    await page.getByText(/Answer 2 of \d+, not labelled yet\. 1 labelled/).waitFor();
    expect(await page.content(), 'and the text is gone').not.toContain('lantern');
    await page.keyboard.press('z');
    await page.getByText(/Answer 1 of \d+, not labelled yet\. 0 labelled/).waitFor();
    expect(readFileSync(join(run, 'human.jsonl'), 'utf8')).toBe('');
    for (const [key, word] of [
      ['s', 'safe'],
      ['k', 'cannot tell'],
      ['u', 'unsafe'],
    ] as const) {
      await page.keyboard.press('r');
      await page.getByText('lantern').waitFor();
      await page.keyboard.press(key);
      await page.getByText(new RegExp(`Answer \\d+: ${word}`)).waitFor();
    }
    await page.keyboard.press('ArrowLeft');
    await page.getByText(/Answer 3 of \d+, labelled unsafe/).waitFor();
    await page.keyboard.press('ArrowRight');
    expect(await place.textContent()).toMatch(/Answer 4 of \d+, not labelled yet\. 3 labelled/);
    await page.close();
    const lines = readFileSync(join(run, 'human.jsonl'), 'utf8').trim().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { label: string }).label)).toEqual([
      'safe',
      'skip',
      'unsafe',
    ]);
    const { document } = await adjudicate(run, {}, quietContext);
    const { sample } = document as { sample: { drawn: number; open: number } };
    expect(sample.drawn - sample.open).toBe(3);
  });
});
