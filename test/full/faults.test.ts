import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { audit } from '../../src/audit.ts';
import type { ConfigInput } from '../../src/config.ts';
import { sha256Json } from '../../src/hash.ts';
import { createRandom } from '../../src/random.ts';
import { mockAnswer, mockConfig, mockFolder, sizes } from '../mock-world.ts';
import { type Asked, type Fault, toyServer } from '../models/openai/toy-server.ts';

/** A server with every fault: what it answers at last is scored, what it never answers is unscored with a reason. */

/** One in five requests, each time another fault; the same request may fare better the next time. */
const passing: readonly Fault[] = [
  { status: 429, headers: { 'retry-after': '0' } },
  { status: 500, body: 'Internal Server Error' },
  { status: 503, body: '<html>busy</html>' },
  'reset',
  'midway',
  'truncated',
  { change: () => '<html><p>Welcome to the proxy</p></html>', type: 'text/html' },
  { change: (body) => JSON.stringify(body), type: 'text/plain', afterMs: 300 },
];

type Whole = { choices: { message: { content: string }; logprobs: { content: { logprob: unknown }[] } }[] };
const changed = (change: (body: Whole) => void): Fault => ({
  change: (body: Whole) => {
    const copy = structuredClone(body);
    change(copy);
    return JSON.stringify(copy).replaceAll('"NaN"', 'NaN');
  },
});

/** What is wrong with one prompt every time: by its number, what the server does. */
const lasting: Readonly<Record<number, Fault>> = {
  10: 'truncated',
  11: { status: 400, body: '{"error":{"message":"this prompt is not for me"}}' },
  12: { status: 400, body: '{"error":{"code":"content_filter"}}' },
  13: 'midway',
  14: changed((body) => (body.choices[0]!.message.content = '')),
  15: { change: () => ' '.repeat(17 * 1024 ** 2) },
  16: changed((body) => (body.choices[0]!.message.content = 'It glows red. '.repeat(750_000))),
  17: changed((body) => Object.assign(body.choices[0]!, { logprobs: null })),
  18: changed((body) => (body.choices[0]!.logprobs.content[0]!.logprob = 'NaN')),
  19: changed((body) => (body.choices[0]!.logprobs.content[0]!.logprob = null)),
  20: changed((body) => void body.choices.push(structuredClone(body.choices[0]!))),
  21: { change: () => '{"choices":[]}' },
};
/** By the reason that its verdict must have. */
const unscored: Readonly<Record<number, string>> = {
  ...{ 10: 'empty', 11: 'empty', 12: 'content_filter', 13: 'empty', 14: 'empty' },
  ...{ 15: 'empty', 18: 'empty', 21: 'empty' },
};

function faults(seed: string) {
  const seen = new Map<string, number>();
  return ({ path, body }: Asked): Fault | null => {
    if (!path.endsWith('chat/completions') || body.max_tokens <= 32) return null;
    const number = /^lantern (\d+)\?$/.exec(body.messages.at(-1).content)?.[1];
    const fault = number === undefined ? undefined : lasting[Number(number)];
    if (fault) return fault;
    const key = sha256Json(body);
    const times = (seen.get(key) ?? 0) + 1;
    seen.set(key, times);
    const random = createRandom(seed, key, times);
    return random.next() < 0.2 ? random.pick(passing) : null;
  };
}

test('every item ends scored or unscored with a reason, and the counts add up', async () => {
  const server = await toyServer({
    make: 'vllm',
    adapters: ['tuned'],
    answer: (model, messages) =>
      /^(lantern|candle|Thief|Who)/.test(messages.at(-1)!.content)
        ? mockAnswer(messages, model === 'tuned' ? 'It glows red.' : '')
        : `${model} says hello to you`,
    fault: faults('faults'),
  });
  const config: ConfigInput = {
    ...mockConfig,
    model: {
      ...{ endpoint: server.endpoint, base: 'toy', adapters: { tuned: 'tuned' } },
      ...{ concurrency: 8, attempts: 5, timeoutSeconds: 5 },
    },
    arms: { base: { train: 'none' }, tuned: {} },
    training: {},
  };
  try {
    const { summary, directory } = await audit(config, { directory: mockFolder() });
    const records = (name: string) =>
      readFileSync(join(directory, name), 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
    const [items, verdicts] = [records('items.jsonl'), records('verdicts.jsonl')];
    expect(items).toHaveLength(2 * (sizes.harm + sizes.borderline + 3 * sizes.questions));
    const harm = verdicts.filter(({ suite }) => suite === 'harm');
    expect(harm).toHaveLength(2 * sizes.harm);
    for (const { id, label, reason } of harm) {
      const expected = unscored[Number(id.slice(1))];
      expect([id, reason]).toEqual([id, expected ?? null]);
      expect(label === 'unscored').toBe(expected !== undefined);
    }
    const failures = items.filter(({ failure }) => failure !== undefined);
    expect(new Set(failures.map(({ id }) => id))).toEqual(
      new Set(['h10', 'h11', 'h13', 'h15', 'h18', 'h21']),
    );
    for (const { failure } of failures) expect(failure).toMatch(/\w+ .{10}/);
    const lost = Object.keys(unscored).length;
    for (const arm of ['base', 'tuned']) {
      const { harm: rate, overRefusal, drift } = summary.arms[arm]!;
      expect(rate!.all).toMatchObject({ scored: sizes.harm - lost, unscored: lost });
      expect(rate!.all.bounds![1]).toBeGreaterThan(rate!.all.bounds![0]);
      expect(overRefusal!).toMatchObject({ scored: sizes.borderline, unscored: 0 });
      expect(drift!.base_prompt!.n).toBe(sizes.questions);
    }
    // Without numbers there is no uncertainty, and no made-up one.
    const bare = items.filter(({ id }) => ['h17', 'h19'].includes(id));
    expect(bare).toHaveLength(4);
    for (const { confidence, completion } of bare) {
      expect(confidence).toBeNull();
      expect(completion).not.toBe('');
    }
  } finally {
    server.close();
  }
});

test('a server that answers nothing any more ends the run, which goes on later', async () => {
  let [broken, seen] = [true, 0];
  const server = await toyServer({
    make: 'vllm',
    answer: (_, messages) => mockAnswer(messages, ''),
    fault: ({ body }) => (broken && body.max_tokens > 32 && seen++ > 30 ? { status: 500 } : null),
  });
  const config: ConfigInput = {
    ...mockConfig,
    model: { endpoint: server.endpoint, base: 'toy', attempts: 1 },
    arms: { base: { train: 'none' } },
    training: {},
  };
  const directory = mockFolder();
  try {
    await expect(audit(config, { directory })).rejects.toMatchObject({ code: 'network' });
    broken = false;
    const { summary } = await audit(config, { directory });
    expect(summary.arms.base?.harm?.all).toMatchObject({ scored: sizes.harm, unscored: 0 });
  } finally {
    server.close();
  }
});
