import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { view } from '../../src/commands/view.ts';
import { packageRoot } from '../../src/files.ts';
import { auditErrorOf } from '../audit-error.ts';
import { quietContext } from '../command-context.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'aftertune-view-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Until the signal: what the verb is, with a signal of its own. */
function start(flags: Parameters<typeof view>[1]) {
  const stop = new AbortController();
  return {
    stop,
    outcome: view([folder], { open: false, ...flags }, { ...quietContext, signal: stop.signal }),
  };
}

describe('view', () => {
  it('prints one document with the address, serves, and ends with 0 on Ctrl-C', async () => {
    mkdirSync(join(folder, 'empty'));
    const child = spawn(process.execPath, [
      ...[join(packageRoot, 'dist/cli.js'), 'view', folder, '--no-open', '--json'],
    ]);
    let printed = '';
    child.stdout.on('data', (data: Buffer) => (printed += data.toString()));
    while (!printed.includes('\n}')) await once(child.stdout, 'data');
    const document = JSON.parse(printed) as { schema: string; url: string; warning: string | null };
    expect(document).toMatchObject({ schema: 'aftertune/view@1', opened: false, warning: null });
    expect(document.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/\?token=[\w-]{32}$/);
    expect((await fetch(document.url)).status).toBe(200);
    expect((await fetch(document.url)).status).toBe(403);
    child.kill('SIGINT');
    expect(await once(child, 'exit')).toEqual([0, null]);
  });

  it('warns where others can reach it, and takes the port that is asked for', async () => {
    const { stop, outcome } = start({ host: '0.0.0.0' });
    const { notice, document, finished } = await outcome;
    expect(notice).toMatch(/^warning: others on the network can reach 0\.0\.0\.0/);
    const { port } = new URL((document as { url: string }).url);
    const taken = await auditErrorOf(() => start({ host: '0.0.0.0', port: Number(port) }).outcome);
    expect(taken.message).toBe(`0.0.0.0:${port} is in use`);
    stop.abort();
    await finished;
    const again = start({ port: Number(port) });
    const second = await again.outcome;
    expect((second.document as { url: string }).url).toContain(`127.0.0.1:${port}/`);
    again.stop.abort();
    await second.finished;
  });

  it('names a folder that is not there, and a port that none is', async () => {
    const missing = await auditErrorOf(() => view([join(folder, 'gone')], { open: false }, quietContext));
    expect(missing.message).toContain('no such folder');
    expect((await auditErrorOf(() => start({ port: 70_000 }).outcome)).message).toContain('65535');
  });
});
