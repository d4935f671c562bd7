import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { afterEach, expect, it } from 'vitest';
import { packageRoot } from '../../src/files.ts';

/** A served model whose engine's thread ends: what those who wait are told, and what a supervisor sees. */

const preload = new URL('../full/end-thread.mjs', import.meta.url).href;

let child: ChildProcessByStdio<null, Readable, Readable>;
afterEach(() => void child.kill());

it('says why, once, to everybody who waits and on stderr, and ends with code 1', async () => {
  const args = ['serve', '--model', join(packageRoot, 'models/wren'), '--port', '0', '--json'];
  child = spawn(process.execPath, ['--import', preload, join(packageRoot, 'dist/cli.js'), ...args], {
    env: { ...process.env, HOW: 'exit', METHOD: 'stream', NTH: '2' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = once(child, 'exit');
  let [printed, said] = ['', ''];
  child.stdout.on('data', (chunk) => (printed += chunk));
  child.stderr.on('data', (chunk) => (said += chunk));
  while (!printed.includes('\n}')) await once(child.stdout, 'data');
  const { url, models } = JSON.parse(printed) as { url: string; models: string[] };
  const ask = async (extra: object) => {
    const messages = [{ role: 'user', content: 'Tell me all about the island, from its first day on.' }];
    const body = { model: models[0], messages, max_tokens: 200, min_p: 0, ...extra };
    const response = await fetch(`${url}/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return { status: response.status, text: await response.text() };
  };
  const [whole, streamed] = await Promise.all([ask({}), ask({ stream: true })]);
  const reason = 'the engine’s thread ended with code 7';
  expect(whole).toMatchObject({ status: 500, text: expect.stringContaining(reason) });
  expect(streamed.text).toContain(reason);
  expect(streamed.text).not.toContain('[DONE]');
  expect(await exited).toEqual([1, null]);
  expect(said.split(`error: ${reason}\nhint: `)).toHaveLength(2);
  expect(said).not.toContain('    at ');
  // What was printed when it began to listen stays the only document.
  expect(JSON.parse(printed)).toMatchObject({ schema: 'aftertune/serve@1' });
  await expect(fetch(`${url}/models`)).rejects.toThrow();
}, 60_000);
