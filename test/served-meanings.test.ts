import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { audit } from '../src/audit.ts';
import type { ConfigInput } from '../src/config.ts';
import type { VerdictRecord } from '../src/record.ts';
import { equalAnswers } from '../src/scorers/entailment.ts';
import { auditErrorOf } from './audit-error.ts';
import { mockConfig, mockFolder } from './mock-world.ts';
import { type Asked, type ToyOptions, type ToyServer, toyServer } from './models/openai/toy-server.ts';

/** Semantic entropy where the judge of meanings is behind a server, as the model is. */

const servers: ToyServer[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function serve(answer: ToyOptions['answer'], options: Partial<ToyOptions> = {}): Promise<ToyServer> {
  const server = await toyServer({ make: 'vllm', answer, ...options });
  servers.push(server);
  return server;
}

/** The base says the same in two ways, and of tower 2 two things. */
const keeper: ToyOptions['answer'] = (_, messages, seed) => {
  const tower = /tower (\d+)/.exec(messages.at(-1)!.content)?.[1] ?? '';
  if (seed % 2 === 0) return `Keeper${tower}`;
  return tower === '2' ? 'Nobody' : `It is kept by Keeper${tower}`;
};

/** Names of equal keepers mean the same, and what every judge has to know. */
const meanings: ToyOptions['answer'] = (_, messages) => {
  const text = messages.at(-1)!.content;
  if (equalAnswers.some((pair) => pair.every((known) => text.includes(known)))) return 'Yes.';
  const [, first, second] = /first said: (.*)\nThe second said: (.*)\n/.exec(text) ?? ['', '', ' '];
  const named = (answer = '') => /Keeper\d+/.exec(answer)?.[0] ?? answer;
  return named(first) === named(second) ? 'Yes.' : 'No.';
};
const isAboutMeaning = ({ body }: Asked) => /^Two people/.test(body.messages?.[0].content ?? '');

const questions = 4;
const configOf = (endpoint: string, judge: string, own: object = {}): ConfigInput => ({
  ...mockConfig,
  model: { endpoint, base: 'toy', concurrency: 6 },
  arms: { base: { train: 'none' } },
  training: {},
  suites: {
    drift: {
      ...mockConfig.suites.drift!,
      ...{ conditions: ['base_prompt'], limit: questions },
      semanticEntropy: { samples: 10, judge: { endpoint: judge, name: 'toy', attempts: 1, ...own } },
    },
  },
});
const linesOf = (directory: string): VerdictRecord[] =>
  readFileSync(join(directory, 'verdicts.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
const summaryOf = (directory: string) => readFileSync(join(directory, 'summary.json'), 'utf8');

test('meanings are told by a judge behind a server, several questions at once', async () => {
  const [model, judge] = [await serve(keeper), await serve(meanings, { latencyMs: 5 })];
  const { summary, directory } = await audit(configOf(model.endpoint, judge.endpoint), {
    directory: mockFolder(),
  });
  const { semanticEntropy } = summary.arms.base!.drift!.base_prompt!;
  expect(semanticEntropy).toMatchObject({ samples: 10, n: questions, unscored: 0 });
  const entropies = new Map<string, Set<number>>();
  for (const verdict of linesOf(directory)) {
    if (verdict.suite !== 'semantic-entropy' || verdict.cluster === null) continue;
    expect(verdict).toMatchObject({ judge: 'entailment', method: 'entailment' });
    entropies.set(verdict.id, (entropies.get(verdict.id) ?? new Set()).add(verdict.cluster));
  }
  // Two wordings of one meaning are one; who is named and nobody are two.
  for (const [id, clusters] of entropies) expect(clusters.size, id).toBe(id === 'q2' ? 2 : 1);
  expect(judge.asked.filter(isAboutMeaning).length).toBeGreaterThan(2 * 16);
  expect(judge.most()).toBeGreaterThan(3);
  expect(model.asked.some(isAboutMeaning)).toBe(false);
});

test('a judge’s failure costs its question, which the same command judges again, with other patience too', async () => {
  const model = await serve(keeper);
  let broken = true;
  const judge = await serve(meanings, {
    fault: ({ body }) =>
      broken && / tower \d+/.test(body.messages[0].content) && /Keeper1\b/.test(body.messages[0].content)
        ? { status: 400, body: '{"error":"too long"}' }
        : null,
  });
  const whole = await audit(configOf(model.endpoint, (await serve(meanings)).endpoint), {
    directory: mockFolder(),
  });
  const folder = mockFolder();
  const { summary, directory } = await audit(configOf(model.endpoint, judge.endpoint), { directory: folder });
  const judged = summary.arms.base!.drift!.base_prompt!.semanticEntropy!;
  const failed = linesOf(directory).filter(
    (verdict) => 'reason' in verdict && verdict.reason === 'judge_error',
  );
  expect(new Set(failed.map(({ id }) => id)).size).toBe(judged.unscored);
  expect([judged.n, judged.unscored]).toEqual([questions - 1, 1]);
  broken = false;
  const other = configOf(model.endpoint, judge.endpoint, { timeoutSeconds: 9, concurrency: 2, attempts: 3 });
  const again = await audit(other, { directory: folder });
  // Who judges is in its verdicts' keys, and no more: all numbers are those of a judge that never failed.
  const numbers = (of: string) => JSON.parse(summaryOf(of)).arms;
  expect(numbers(again.directory)).toEqual(numbers(whole.directory));
});

test('a judge that is away, or that fails while it is tried, stops the run with nothing counted', async () => {
  const model = await serve(keeper);
  const away = await auditErrorOf(() =>
    audit(configOf(model.endpoint, 'http://127.0.0.1:9/v1'), { directory: mockFolder() }),
  );
  expect(away).toMatchObject({ code: 'network', message: expect.stringContaining('127.0.0.1:9') });
  expect(model.asked.filter(({ body }) => body.max_tokens === 64)).toEqual([]);
  let broken = true;
  const judge = await serve(meanings, {
    fault: (asked) => (broken && isAboutMeaning(asked) ? { status: 500 } : null),
  });
  const folder = mockFolder();
  const config = configOf(model.endpoint, judge.endpoint);
  const failing = await auditErrorOf(() => audit(config, { directory: folder }));
  expect(failing).toMatchObject({ code: 'model' });
  broken = false;
  const { summary } = await audit(config, { directory: folder });
  expect(summary.arms.base!.drift!.base_prompt!.semanticEntropy).toMatchObject({
    ...{ n: questions, unscored: 0 },
  });
});
