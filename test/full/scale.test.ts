import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { writeConfig } from '../../bench/scale/contenders.mjs';
import { startServer } from '../../bench/scale/mock.mjs';
import { watched } from '../../bench/scale/watched-process.mjs';
import { packageRoot } from '../../src/files.ts';

/** `node bench/scale/run.mjs` measures the same with a million answers. */

it('memory does not grow with the answers that have come', async () => {
  const scratch = mkdtempSync(join(tmpdir(), 'aftertune-scale-'));
  const server = await startServer(0);
  const items = 50_000;
  try {
    const config = writeConfig({ server, connections: 64, scratch }, items / 2);
    const run = watched(process.execPath, [join(packageRoot, 'dist/cli.js'), 'run', config]);
    const memory: { asked: number; megabytes: number }[] = [];
    for (let asked = 0; asked < items; await new Promise((resolve) => setTimeout(resolve, 100))) {
      asked = (await server.stats()).items;
      const megabytes = run.residentMegabytes();
      if (megabytes === null) break;
      memory.push({ asked, megabytes });
    }
    const { code, tail, peakMegabytes } = await run.ended;
    expect([code, tail.includes('Warning')]).toEqual([0, false]);
    const largest = (from: number, to: number) =>
      Math.max(
        ...memory.flatMap(({ asked, megabytes }) =>
          asked >= from * items && asked < to * items ? [megabytes] : [],
        ),
      );
    // 25,000 answers as objects, with their keys, are 60 MB.
    expect(largest(0.7, 1)).toBeLessThan(largest(0.1, 0.4) + 40);
    expect(peakMegabytes).toBeLessThan(600);
  } finally {
    server.stop();
    rmSync(scratch, { recursive: true, force: true });
  }
}, 300_000);
