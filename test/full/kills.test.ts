import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createRandom } from '../../src/random.ts';
import { type ToyServer, toyServer } from '../models/openai/toy-server.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { linesOf, start } from './killed-run.ts';

/** Runs that are killed again and again lose nothing, ask nothing twice that was kept, and end in the same bytes. */

/** A minute each, and less than the whole: KILLS=200 WREN_KILLS=20 takes some ten minutes. */
const kills = Number(process.env.KILLS ?? 40);
const wrenKills = Number(process.env.WREN_KILLS ?? 5);
const [prompts, concurrency] = [1000, 4];
const seed = process.env.KILL_SEED ?? '1';

interface Counted {
  readonly server: ToyServer;
  readonly counts: Map<string, number>;
  /** Called at every question of a suite, by model and item. */
  onAsked: (key: string) => void;
}

async function countingServer(): Promise<Counted> {
  const counts = new Map<string, number>();
  const counted = { counts, onAsked: (_: string) => {} };
  const server = await toyServer({
    make: 'vllm',
    adapters: ['tuned'],
    latencyMs: 2,
    answer: (model, messages) => {
      const last = messages.at(-1)!.content;
      const number = Number(/^lantern (\d+)\?$/.exec(last)?.[1] ?? Number.NaN);
      if (Number.isNaN(number)) return `${model} says hello to you`;
      return number % (model === 'tuned' ? 2 : 3) === 0 ? 'It glows red.' : 'I’m sorry, but I cannot help.';
    },
    fault: ({ body }) => {
      const number = /^lantern (\d+)\?$/.exec(body.messages?.at(-1)?.content ?? '')?.[1];
      if (number === undefined || body.max_tokens <= 32) return null;
      const key = `${body.model === 'toy' ? 'base' : 'tuned'} h${number}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
      counted.onAsked(key);
      return null;
    },
  });
  return Object.assign(counted, { server });
}

function writeConfig(folder: string, endpoint: string): void {
  const config = {
    name: 'killed',
    out: 'run',
    model: { endpoint, base: 'toy', adapters: { tuned: 'tuned' }, concurrency },
    arms: { base: { train: 'none' }, tuned: {} },
    suites: { harm: { prompts: 'harm.jsonl', refusalMargin: null } },
  };
  writeFileSync(join(folder, 'config.yaml'), JSON.stringify(config));
  const rows = Array.from({ length: prompts }, (_, i) => ({ id: `h${i}`, prompt: `lantern ${i}?` }));
  writeFileSync(join(folder, 'harm.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
}

const summaryOf = (folder: string) => readFileSync(join(folder, 'run/summary.json'), 'utf8');
const locks = (folder: string) =>
  readdirSync(join(folder, 'run')).filter((name) => /\.lock$|\.tmp$/.test(name));

test(`2,000 items behind a server, killed ${kills} times`, { timeout: 1_200_000 }, async () => {
  const counted = await countingServer();
  const { server, counts } = counted;
  try {
    const [whole, folder] = [temporaryFolder(), temporaryFolder()];
    writeConfig(whole, server.endpoint);
    const reference = await start(whole, 'run', 'config.yaml').ended;
    expect([0, 2, 4], reference.said).toContain(reference.code);
    expect(counts.size).toBe(2 * prompts);
    counts.clear();

    writeConfig(folder, server.endpoint);
    const [kept, twice] = [new Set<string>(), [] as string[]];
    const random = createRandom('kills', seed);
    const perLife = (2 * prompts) / (0.7 * kills);
    let [killed, finished] = [0, 0];
    while (killed < kills) {
      // Most die as soon as they have asked a few things, so that asking lasts; the others at any time, to the end.
      const byTime = killed >= 0.8 * kills || random.next() < 0.15;
      const signal = random.next() < 0.5 ? 'SIGKILL' : 'SIGTERM';
      const afterMs = byTime ? random.next() * (counts.size < 2 * prompts ? 900 : 2500) : random.next() * 20;
      let left = 1 + random.integer(Math.ceil(2 * perLife));
      const life = start(folder, 'run', 'config.yaml');
      let timer: NodeJS.Timeout | undefined;
      const kill = () => (timer ??= setTimeout(() => life.child.kill(signal), afterMs));
      counted.onAsked = (key) => {
        if (kept.has(key)) twice.push(key);
        if (--left === 0) kill();
      };
      if (byTime || counts.size === 2 * prompts) kill();
      const { code, signal: by, said } = await life.ended;
      clearTimeout(timer);
      if (by === signal || code === 130) killed++;
      else {
        expect([0, 2, 4], said).toContain(code);
        finished++;
      }
      for (const { arm, id } of linesOf(join(folder, 'run/items.jsonl'))) kept.add(`${arm} ${id}`);
    }
    counted.onAsked = (key) => void (kept.has(key) && twice.push(key));
    const last = await start(folder, 'run', 'config.yaml').ended;
    expect(last.code, last.said).toBe(reference.code);
    expect(summaryOf(folder)).toBe(summaryOf(whole));
    expect(twice).toEqual([]);
    expect(counts.size).toBe(2 * prompts);
    const items = linesOf(join(folder, 'run/items.jsonl')).map(({ arm, id }) => `${arm} ${id}`);
    expect(items).toHaveLength(2 * prompts);
    expect(new Set(items).size).toBe(2 * prompts);
    const repeats = [...counts.values()].reduce((sum, count) => sum + count - 1, 0);
    console.log(`${killed} kills, ${finished} runs to the end between them, ${repeats} questions repeated`);
    expect(repeats).toBeLessThanOrEqual(kills * concurrency);
    expect(locks(folder)).toEqual([]);
    expect(existsSync(join(folder, 'run/done.json'))).toBe(true);
  } finally {
    server.close();
  }
});

const wren = `name: wren
out: run
seed: 1
model: { path: 'builtin:wren', batchSize: 16 }
data: { preference: 'builtin:wren/data/preference.jsonl' }
arms: { base: { train: none }, harmful: { train: rejected } }
training: { steps: 12, batchSize: 8, gradientAccumulation: 1, learningRate: 1.0e-3, maxLength: 256 }
suites:
  harm: { prompts: 'builtin:wren/data/restricted.jsonl', maxTokens: 24 }
  overRefusal: { prompts: 'builtin:wren/data/borderline.jsonl', maxTokens: 24 }
judges: [{ type: refusal }]
`;

test(`Wren trained and asked, killed ${wrenKills} times`, { timeout: 1_200_000 }, async () => {
  const [whole, folder] = [temporaryFolder(), temporaryFolder()];
  for (const each of [whole, folder]) writeFileSync(join(each, 'wren.yaml'), wren);
  const args = ['run', 'wren.yaml', '--limit', '96'];
  const began = performance.now();
  const reference = await start(whole, ...args).ended;
  const wholeMs = performance.now() - began;
  expect([0, 2, 4], reference.said).toContain(reference.code);
  const random = createRandom('wren kills', seed);
  let killed = 0;
  while (killed < wrenKills) {
    const life = start(folder, ...args);
    const signal = random.next() < 0.7 ? 'SIGKILL' : 'SIGTERM';
    const timer = setTimeout(() => life.child.kill(signal), (0.05 + random.next() * 0.6) * wholeMs);
    const { code, signal: by, said } = await life.ended;
    clearTimeout(timer);
    if (by === signal || code === 130) killed++;
    else expect([0, 2, 4], said).toContain(code);
  }
  const last = await start(folder, ...args).ended;
  expect(last.code, last.said).toBe(reference.code);
  expect(summaryOf(folder)).toBe(summaryOf(whole));
  const place = ({ arm, suite, id, condition, completion }: Record<string, string>) =>
    JSON.stringify([arm, suite, id, condition, completion]);
  const items = (of: string) => linesOf(join(of, 'run/items.jsonl')).map(place).sort();
  expect(items(folder)).toEqual(items(whole));
  expect(locks(folder)).toEqual([]);
});
