import { existsSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Locator, type Page } from 'playwright-core';

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';

export async function launchBrowser(): Promise<Browser> {
  if (!existsSync(executablePath))
    throw new Error(`no browser at ${executablePath}: install Debian's chromium, or name one in CHROMIUM`);
  return chromium.launch({
    executablePath,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
    ],
  });
}

export interface Visit {
  readonly page: Page;
  /** Console output, page errors, dialogs and requests other than for the file itself. */
  readonly complaints: string[];
}

export interface VisitOptions {
  readonly width?: number;
  readonly colorScheme?: 'light' | 'dark';
  /** The address's fragment. */
  readonly hash?: string;
  readonly script?: boolean;
}

/** Opens a file offline, listening to everything that it does. */
export async function openPage(browser: Browser, file: string, options: VisitOptions = {}): Promise<Visit> {
  const context = await browser.newContext({
    offline: true,
    colorScheme: options.colorScheme ?? 'light',
    javaScriptEnabled: options.script ?? true,
    viewport: { width: options.width ?? 1280, height: 900 },
  });
  const page = await context.newPage();
  const complaints: string[] = [];
  const address = pathToFileURL(file).href;
  page.on('console', (message) => complaints.push(`console: ${message.text()}`));
  page.on('pageerror', (error) => complaints.push(`error: ${error.message}`));
  page.on('dialog', (dialog) => complaints.push(`dialog: ${dialog.message()}`));
  page.on('request', (request) => {
    if (request.url().split('#')[0] !== address) complaints.push(`request: ${request.url()}`);
  });
  await page.goto(`${address}${options.hash ?? ''}`);
  return { page, complaints };
}

/** The text as it is shown, of all that is found. */
export const textOf = async (locator: Locator): Promise<string> => (await locator.allInnerTexts()).join('\n');
