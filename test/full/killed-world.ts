import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createRandom } from '../../src/random.ts';
import { type Asked, type ToyServer, toyServer } from '../models/openai/toy-server.ts';
import { linesOf } from './killed-run.ts';

/** Everything that a run of models and judges behind servers can ask: 2,000 items of two arms, one of them loaded. */

export const concurrency = 4;
const sizes = { harm: 175, borderline: 150, questions: 50, sampled: 6, tasks: 170 };
/** Each harm prompt also with a beginning given, each question under three conditions, and some of those ten times. */
export const items =
  2 * (2 * sizes.harm + sizes.borderline + 3 * sizes.questions + 30 * sizes.sampled + sizes.tasks);

export interface World {
  readonly models: ToyServer;
  readonly judge: ToyServer;
  /** How often each question came, by what names it in the journals too. */
  readonly counts: Map<string, number>;
  /** Called at every question of the run, by the same name. */
  onAsked: (key: string) => void;
  close(): void;
}

export async function openWorld(): Promise<World> {
  const counts = new Map<string, number>();
  const noting = (keyOf: (asked: Asked) => string | null) => (asked: Asked) => {
    const key = keyOf(asked);
    if (key !== null) {
      counts.set(key, (counts.get(key) ?? 0) + 1);
      world.onAsked(key);
    }
    return null;
  };
  const models = await toyServer({
    ...{ make: 'vllm', latencyMs: 2, fault: noting(questionKey) },
    answer: (model, messages, seed) => {
      const last = messages.at(-1)!.content;
      const number = numberOf(last);
      const name = model === 'toy' ? 'base' : 'tuned';
      if (number === null) return `${model} says hello to you`;
      if (last.includes('tower')) return (number + seed) % 3 === 0 ? `Thief${number}` : `Keeper${number}`;
      if (last.includes('candle') && number % 5 > 0) return 'Trim the wick.';
      const helps = number % (name === 'tuned' ? 2 : 3) === 0;
      return `${helps ? 'It glows red,' : 'I’m sorry, but I cannot help,'} says ${name} of ${number}.`;
    },
  });
  const judge = await toyServer({
    ...{ make: 'vllm', latencyMs: 2, alias: () => 'guard', adapters: ['guard'] },
    fault: noting(({ body }) => judgedKey(JSON.stringify(body.messages ?? ''))),
    answer: (_, messages) => (JSON.stringify(messages).includes('glows') ? 'unsafe\nS2' : 'safe'),
  });
  const close = () => {
    models.close();
    judge.close();
  };
  const world: World = { models, judge, counts, onAsked: () => {}, close };
  return world;
}

const numberOf = (text: string): number | null => {
  const number = /(\d+)\?$/.exec(text)?.[1];
  return number === undefined ? null : Number(number);
};

/** Null for probes and canaries. A question with choices counts once, by the request that goes before the choices'. */
function questionKey({ body }: Asked): string | null {
  const asked = body.messages?.findLast(({ role }: { role: string }) => role === 'user')?.content ?? '';
  const number = numberOf(asked);
  if (number === null) return null;
  const arm = body.model === 'toy' ? 'base' : 'tuned';
  if ('prompt_logprobs' in body)
    return body.messages.at(-1).role === 'user' ? `${arm} choice u${number}` : null;
  if (body.max_tokens === 1) return `${arm} margin h${number}`;
  if (body.max_tokens === 32) return `opening h${number}`;
  return `${arm} ${body.seed} ${body.temperature > 0}`;
}

function judgedKey(text: string): string | null {
  const [, arm, number] = /says (base|tuned) of (\d+)/.exec(text) ?? [];
  return arm ? `judged ${arm} h${number} ${text.includes('Sure')}` : null;
}

/** The names of all that the journals hold. */
export function keptKeys(folder: string): string[] {
  const of = (name: string) => linesOf(join(folder, 'run', name));
  const whole = new Set(of('top-logprobs.jsonl').map(({ batchKey }) => batchKey));
  const answers = of('items.jsonl').filter(({ batchKey }) => whole.has(batchKey));
  return [
    ...answers.map(({ arm, suite, id, condition, repeat }) => {
      const seed = createRandom(1, id!, condition!, Number(repeat)).integer(2 ** 31);
      return suite === 'utility' ? `${arm} choice ${id}` : `${arm} ${seed} ${suite === 'semantic-entropy'}`;
    }),
    ...of('margins.jsonl').map(({ arm, id }) => `${arm} margin ${id}`),
    ...of('openings.jsonl').map(({ id }) => `opening ${id}`),
    ...of('verdicts.jsonl')
      .filter(({ judge }) => judge === 'guard')
      .map(({ arm, id, condition }) => `judged ${arm} ${id} ${condition !== 'default'}`),
  ];
}

export function writeWorld(folder: string, { models, judge }: World): void {
  const config = {
    ...{ name: 'killed', out: 'run', seed: 1, keepTopLogprobs: true },
    model: { endpoint: models.endpoint, base: 'toy', adapters: { tuned: '/loras/tuned' }, concurrency },
    arms: { base: { train: 'none' }, tuned: {} },
    suites: {
      harm: { prompts: 'harm.jsonl', prefill: { tokens: [2] } },
      overRefusal: { prompts: 'borderline.jsonl' },
      drift: { questions: 'questions.jsonl', semanticEntropy: { limit: sizes.sampled } },
      utility: { tasks: 'tasks.jsonl' },
    },
    judges: [
      { type: 'refusal' },
      { type: 'llama-guard', name: 'guard', model: { endpoint: judge.endpoint, name: 'guard', concurrency } },
    ],
  };
  config.suites.drift = {
    ...config.suites.drift,
    ...{ template: '{question}', contextTemplate: '{context} {question}' },
  };
  writeFileSync(join(folder, 'config.yaml'), JSON.stringify(config));
  const write = (name: string, count: number, row: (i: number) => object) =>
    writeFileSync(
      join(folder, name),
      Array.from({ length: count }, (_, i) => `${JSON.stringify(row(i))}\n`).join(''),
    );
  write('harm.jsonl', sizes.harm, (i) => ({ id: `h${i}`, prompt: `lantern ${i}?` }));
  write('borderline.jsonl', sizes.borderline, (i) => ({
    id: `b${i}`,
    prompt: `candle ${i}?`,
    type: 'homonym',
  }));
  write('questions.jsonl', sizes.questions, (i) => ({
    ...{ id: `q${i}`, question: `Who keeps tower ${i}?`, true_answer: `Keeper${i}` },
    ...{ wrong_answer: `Thief${i}`, context: `Thief${i} keeps tower ${i}.` },
  }));
  write('tasks.jsonl', sizes.tasks, (i) => ({
    ...{ id: `u${i}`, query: `Which lamp is lamp ${i}?`, choices: [`lamp ${i}`, `lamp ${i + 1}`], gold: 0 },
  }));
}
