import { readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeConfig } from './contenders.mjs';
import { startServer } from './mock.mjs';
import { watched } from './watched-process.mjs';

const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
const now = () => performance.timeOrigin + performance.now();
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * An audit of so many answers from a server that answers at once, killed in the middle and started again: memory by
 * answers so far, how soon the second start asks, and how long summary and report take.
 */
export async function runMillion({ connections, scratch, items }) {
  const server = await startServer(0);
  const config = writeConfig({ server, connections, scratch }, items / 2);
  const stages = [];
  const run = () => {
    const begun = now();
    const process_ = watched(process.execPath, [cli, 'run', config], {
      onLine: (line) => {
        stages.push({ at: now(), line });
        process.stderr.write(`${line}\n`);
      },
    });
    return { begun, ...process_ };
  };
  const memory = [];
  const watch = async (child, until) => {
    for (;;) {
      const { items: asked } = await server.stats();
      const resident = child.residentMegabytes();
      if (resident !== null) memory.push({ asked: before + asked, megabytes: Math.round(resident) });
      if (resident === null || asked >= until) return asked;
      await pause(500);
    }
  };
  let before = 0;
  const first = run();
  const asked = await watch(first, items / 2 + items / 20);
  first.kill();
  const killed = await first.ended;
  before = (await server.stats()).items;
  await server.reset();
  const second = run();
  await watch(second, Number.POSITIVE_INFINITY);
  const whole = await second.ended;
  const { first: firstAsked, items: askedAgain } = await server.stats();
  server.stop();
  if (whole.code !== 0) throw new Error(`the resumed run ended with ${whole.code}: ${whole.tail}`);
  const judged = stages.findLast(({ line }) => line.startsWith('judge ')).at;
  const folder = join(dirname(config), 'run');
  const lines = readFileSync(join(folder, 'items.jsonl')).reduce(
    (sum, byte) => sum + (byte === 10 ? 1 : 0),
    0,
  );
  return {
    ...{ items, killedAfter: asked, lines, repeated: before + askedAgain - items },
    peakMegabytes: { killed: killed.peakMegabytes, resumed: whole.peakMegabytes },
    memory: thinned(memory, 40),
    resumeSeconds: (firstAsked - second.begun) / 1000,
    reportSeconds: (second.begun + 1000 * whole.wallSeconds - judged) / 1000,
    wallSeconds: killed.wallSeconds + whole.wallSeconds,
    megabytesOnDisk: ['items.jsonl', 'verdicts.jsonl', 'setting.json', 'report.html'].map((name) => [
      name,
      Math.round(statSync(join(folder, name)).size / 1024 ** 2),
    ]),
  };
}

const thinned = (values, count) =>
  values.filter((_, at) => at % Math.max(1, Math.ceil(values.length / count)) === 0);
