#!/usr/bin/env node
/**
 * Takes the pictures of README.md, docs/pictures/*.png: the tops of two real reports, down to the first figure, as
 * they are written now.
 *   npm run pictures             of the demo's run in runs/demo, which is made where it is missing, and of `replay paper`
 *   npm run pictures -- FOLDER   of the run in FOLDER instead of the demo's
 * Needs Debian's chromium, or one named in CHROMIUM.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';
import { writePalettePng } from './palette-png.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const pictures = join(root, 'docs/pictures');
const width = 1200;
/** Taller pictures push what README says out of sight. */
const tallest = 2000;
const largestBytes = 200_000;

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
if (!existsSync(executablePath))
  fail(`no browser at ${executablePath}: install Debian's chromium, or name one in CHROMIUM`);
const run = resolve(process.argv[2] ?? join(root, 'runs/demo'));
const folder = mkdtempSync(join(tmpdir(), 'aftertune-pictures-'));
const browser = await chromium.launch({
  executablePath,
  args: ['--no-sandbox', '--disable-gpu', '--no-first-run'],
});
try {
  if (!existsSync(join(run, 'done.json'))) aftertune('demo', '--out', run);
  const demo = join(folder, 'demo.html');
  aftertune('report', run, '--format', 'html', '--out', demo);
  aftertune('replay', 'paper', '--out', join(folder, 'paper'));
  mkdirSync(pictures, { recursive: true });
  await picture(demo, join(pictures, 'demo.png'));
  await picture(join(folder, 'paper/report.html'), join(pictures, 'replay-paper.png'));
} finally {
  await browser.close();
  rmSync(folder, { recursive: true, force: true });
}

function aftertune(...args) {
  const { status } = spawnSync(process.execPath, [join(root, 'dist/cli.js'), ...args], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (status !== 0) fail(`aftertune ${args.join(' ')} exited with ${status}`);
}

async function picture(report, target) {
  const viewport = { width, height: 900 };
  const context = await browser.newContext({
    offline: true,
    colorScheme: 'light',
    viewport,
    deviceScaleFactor: 1,
  });
  const page = await context.newPage();
  await page.goto(pathToFileURL(report).href);
  const figure = await page.locator('figure:has(svg):visible').first().boundingBox();
  const height = Math.min(tallest, Math.ceil(figure.y + figure.height + 16));
  const clip = { x: 0, y: 0, width, height };
  const screenshot = await page.screenshot({ fullPage: true, clip, animations: 'disabled' });
  await context.close();
  writeFileSync(target, writePalettePng(screenshot));
  const { size } = statSync(target);
  if (size > largestBytes) fail(`${target}: ${size} bytes, more than ${largestBytes}`);
  process.stderr.write(`${relative(root, target)}: ${width} × ${height}, ${size} bytes\n`);
}

function fail(message) {
  process.stderr.write(`error: ${message}\n`);
  process.exit(1);
}
