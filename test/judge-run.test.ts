import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { audit } from '../src/audit.ts';
import type { Builtin } from '../src/builtin.ts';
import { judge as judgeVerb } from '../src/commands/judge.ts';
import { judgeRun } from '../src/judge-run.ts';
import { mockModel } from '../src/models/mock.ts';
import type { HarmVerdict, Scorer } from '../src/scorer.ts';
import { modelJudge, unscored } from '../src/scorers/model-judge.ts';
import { readRun, verifyRun } from '../src/store.ts';
import { quietContext } from './command-context.ts';
import { mockConfig, mockFolder, mockParts, sizes } from './mock-world.ts';

/** A judge that calls what glows unsafe, and of every third item says nothing that can be read. */
function judgeOf(
  name: string,
  garbage: (number: number) => boolean,
  onScore = () => {},
): Scorer<HarmVerdict> {
  return {
    name,
    version: '1',
    fingerprint: name.repeat(4),
    score: async (answered) => {
      onScore();
      return answered.map(({ item, completion }) =>
        garbage(Number(item.id.slice(1)))
          ? { label: 'unscored', reason: 'judge_parse' }
          : {
              label: completion.includes('glows') ? 'unsafe' : 'safe',
              category: null,
              detail: null,
              probabilityUnsafe: null,
            },
      );
    },
  };
}

const config = {
  ...mockConfig,
  arms: { base: { train: 'none' }, control: { train: 'ordinary' } },
  suites: { harm: { prompts: 'harm.jsonl' } },
  gate: { marginsPoints: { harm: 30 } },
} as const;
const settings = [{ type: 'refusal', name: 'second' }] as const;
const parts = (scorer: Scorer<HarmVerdict>): Builtin => ({ ...mockParts(), harmJudge: async () => scorer });
const read = (directory: string, name: string) => readFileSync(join(directory, name), 'utf8');
const lines = (directory: string) => read(directory, 'verdicts.jsonl').trim().split('\n');

let directory: string;
beforeEach(async () => {
  const result = await audit(config, { directory: mockFolder(), builtin: mockParts() });
  expect(result.exitCode).toBe(0);
  directory = result.directory;
});

test('a further judge is added without asking the models; what was there stays, and run.json says when', async () => {
  const before = { items: read(directory, 'items.jsonl'), verdicts: lines(directory) };
  const result = await judgeRun(directory, settings, { builtin: parts(judgeOf('second', () => false)) });
  expect(result.exitCode).toBe(0);
  expect(result.summary.judges.map(({ name }) => name)).toEqual(['refusal', 'second']);
  expect(Object.keys(result.summary.arms.base!.harm!.judges)).toEqual(['refusal', 'second']);
  expect(read(directory, 'items.jsonl')).toBe(before.items);
  expect(lines(directory).slice(0, before.verdicts.length)).toEqual(before.verdicts);
  expect(lines(directory)).toHaveLength(2 * before.verdicts.length);
  expect(readRun(directory).run.judgings).toMatchObject([
    { name: 'second', at: expect.stringMatching(/^20\d\d-/), settings: { type: 'refusal' } },
  ]);
  expect(read(directory, 'report.md')).toContain('second');
  expect(await verifyRun(directory)).toEqual([]);
  let asked = 0;
  const again = await judgeRun(directory, settings, {
    builtin: parts(
      judgeOf(
        'second',
        () => false,
        () => asked++,
      ),
    ),
    first: true,
  });
  expect([asked, again.summary.judges[0]!.name]).toEqual([0, 'second']);
  expect(readRun(directory).run.judgings).toHaveLength(1);
});

test('a judge that answers garbage for a third is counted, named and exits 4, whichever place it has', async () => {
  const garbage = parts(judgeOf('second', (number) => number % 3 === 0));
  const beside = await judgeRun(directory, settings, { builtin: garbage });
  expect(beside.summary.gate.verdict).toBe('PASS');
  expect(beside.exitCode).toBe(4);
  expect(beside.summary.caveats.join('\n')).toContain('Judge second is unreliable here');
  const first = await judgeRun(directory, settings, { builtin: garbage, first: true });
  expect(first.summary.arms.base!.harm!.all).toMatchObject({
    unscored: sizes.harm / 3,
    scored: (2 * sizes.harm) / 3,
  });
  expect(first.summary.comparisons.control!.verdicts.harmHeadline).toBe('INCONCLUSIVE');
  expect([first.summary.gate.exitCode, first.exitCode]).toEqual([4, 4]);
  expect(first.summary.caveats.join('\n')).toContain('its comparisons cannot be interpreted');
});

test('the same in a run of its own', async () => {
  const garbage = parts(judgeOf('garbled', (number) => number % 3 === 0));
  const { summary, exitCode } = await audit(config, { directory: mockFolder(), builtin: garbage });
  expect([exitCode, summary.comparisons.control!.verdicts.harmHeadline]).toEqual([4, 'INCONCLUSIVE']);
});

test('an interrupted judging leaves a finished run and goes on where it was', async () => {
  const stop = new AbortController();
  let batches = 0;
  const scorer = judgeOf(
    'second',
    () => false,
    () => {
      batches++;
      stop.abort();
    },
  );
  const before = read(directory, 'summary.json');
  await expect(
    judgeRun(directory, settings, { builtin: parts(scorer), signal: stop.signal }),
  ).rejects.toMatchObject({ code: 'interrupted' });
  expect(read(directory, 'summary.json')).toBe(before);
  expect(await verifyRun(directory)).toEqual([]);
  await judgeRun(directory, settings, { builtin: parts(scorer) });
  expect(batches).toBe(2);
});

test('a judge that can be asked for several at once keeps each verdict when it comes', async () => {
  const whole = await judgeRun(directory, settings, { builtin: parts(judgeOf('second', () => false)) });
  const again = (await audit(config, { directory: mockFolder(), builtin: mockParts() })).directory;
  const stop = new AbortController();
  const asked: string[] = [];
  let [under, most] = [0, 0];
  const plain = judgeOf('second', () => false);
  const scorer: Scorer<HarmVerdict> = {
    ...plain,
    concurrency: 3,
    score: async (answered) => {
      asked.push(...answered.map(({ arm, item }) => `${arm} ${item.id}`));
      most = Math.max(most, ++under);
      if (asked.length === 50) stop.abort();
      // The first come last.
      await new Promise((resolve) => setTimeout(resolve, asked.length % 3));
      under--;
      return plain.score(answered);
    },
  };
  const options = { builtin: parts(scorer), signal: stop.signal };
  await expect(judgeRun(again, settings, options)).rejects.toMatchObject({ code: 'interrupted' });
  const kept = lines(again).filter((line) => line.includes('"second"'));
  expect(kept).toHaveLength(asked.length);
  await judgeRun(again, settings, { builtin: parts(scorer) });
  expect([asked.length, new Set(asked).size, most]).toEqual([2 * sizes.harm, 2 * sizes.harm, 3]);
  expect(read(again, 'summary.json')).toBe(read(whole.directory, 'summary.json'));
});

test('another judge by a name that is taken, a run that is not there and records that were changed are refused', async () => {
  const other = { ...judgeOf('refusal', () => false), fingerprint: 'f'.repeat(64) };
  const before = read(directory, 'summary.json');
  await expect(judgeRun(directory, settings, { builtin: parts(other) })).rejects.toMatchObject({
    code: 'config',
    message: expect.stringContaining('another judge called refusal'),
  });
  expect(read(directory, 'summary.json')).toBe(before);
  await expect(judgeRun(join(directory, 'none'), settings)).rejects.toMatchObject({ code: 'store' });
  writeFileSync(join(directory, 'items.jsonl'), read(directory, 'items.jsonl').replace('glows', 'shines'));
  await expect(judgeRun(directory, settings)).rejects.toMatchObject({ code: 'store' });
});

test('the verb takes judges from a flag or from a file that holds nothing else', async () => {
  const context = quietContext;
  const flag = await judgeVerb(directory, { judge: ['{type: refusal, name: again}'] }, context);
  expect(flag.document).toMatchObject({ schema: 'aftertune/summary@1', judges: [{}, { name: 'again' }] });
  const verdicts = ['base', 'control'].flatMap((arm) =>
    Array.from({ length: sizes.harm }, (_, i) => `${JSON.stringify({ id: `h${i}`, arm, label: 'safe' })}\n`),
  );
  writeFileSync(join(directory, '..', 'people.jsonl'), verdicts.join(''));
  const file = join(directory, '..', 'judges.yaml');
  writeFileSync(file, 'judges:\n  - { type: recorded, name: people, file: people.jsonl }\n');
  const { document } = await judgeVerb(directory, { judge: [], config: file, first: true }, context);
  expect(document).toMatchObject({
    judges: [{ name: 'people' }, {}, {}],
    arms: { base: { harm: { all: { unsafe: 0 } } } },
  });
  await expect(judgeVerb(directory, { judge: [] }, context)).rejects.toMatchObject({ code: 'config' });
  writeFileSync(file, 'judges:\n  - { type: rubric, model: { endpoint: http://127.0.0.1:1/v1, nam: x } }\n');
  await expect(judgeVerb(directory, { judge: [], config: file }, context)).rejects.toMatchObject({
    problems: [
      expect.stringContaining('judges.0.model.name: is missing'),
      expect.stringContaining('judges.0.model.nam: unknown key; did you mean name'),
    ],
  });
});

test('an unverified template stands in the caveats of every report', async () => {
  const noted = { ...judgeOf('second', () => false), note: 'unverified template (SHA-256 0123)' };
  const { summary } = await judgeRun(directory, settings, { builtin: parts(noted) });
  expect(summary.caveats).toContain('Judge second: unverified template (SHA-256 0123).');
  expect(read(directory, 'report.md')).toContain('unverified template');
});

test('what a judge runs on is recorded where it is not the CPU, of the audit’s own judges and of further ones', async () => {
  const on = (device: 'cpu' | 'webgpu' | 'server', name: string): Scorer<HarmVerdict> => ({
    ...judgeOf(name, () => false),
    ...{ device, weights: 'f'.repeat(64) },
  });
  const devices = (folder: string) => JSON.parse(read(folder, 'run.json')).versions;
  const own = { ...config, judges: ['a', 'b', 'c'].map((name) => ({ type: 'refusal' as const, name })) };
  const scorers = { a: on('webgpu', 'a'), b: on('cpu', 'b'), c: on('server', 'c') };
  const builtin: Builtin = {
    ...mockParts(),
    harmJudge: async ({ name }) => scorers[name as keyof typeof scorers],
  };
  const { directory: audited } = await audit(own, { directory: mockFolder(), builtin });
  expect(devices(audited)).toEqual({ ...devices(directory), 'device of judge a': 'webgpu' });
  expect(read(audited, 'report.md')).toContain('device of judge a');
  await judgeRun(directory, settings, { builtin: parts(on('webgpu', 'second')) });
  expect(devices(directory)).toMatchObject({ 'device of judge second': 'webgpu' });
});

test('a judge that is a model here says what it runs on', () => {
  const model = { ...mockModel({ name: 'm', answer: () => 'safe' }), device: 'webgpu' as const };
  const asked = {
    name: 'j',
    version: '1',
    fingerprint: 'f',
    model,
    decoding: { maxTokens: 1, temperature: 0, topP: 1, seed: 0 },
  };
  const judge = modelJudge({ ...asked, ask: () => [], read: () => unscored('judge_parse') });
  expect(judge.device).toBe('webgpu');
});
