import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** Starts `server.mjs` as a process of its own. */
export async function startServer(latencyMs) {
  const script = fileURLToPath(new URL('server.mjs', import.meta.url));
  const child = spawn(process.execPath, [script, String(latencyMs)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const port = await new Promise((resolve) => child.stdout.once('data', (text) => resolve(Number(text))));
  const ask = async (path) => (await fetch(`http://127.0.0.1:${port}/${path}`)).json();
  const stop = () => child.kill();
  process.on('exit', stop);
  return { port, stats: () => ask('stats'), reset: () => ask('reset'), stop };
}
