import { expect, test } from 'vitest';
import { audit } from '../src/audit.ts';
import type { AuditError } from '../src/errors.ts';
import { refuseOtherModels } from '../src/run-document.ts';
import { auditErrorOf } from './audit-error.ts';
import { mockFolder } from './mock-world.ts';
import { configOf, serve } from './served-world.ts';

/** What people get wrong about servers, told before anything is asked. */

const problemOf = async (run: () => Promise<unknown>) => {
  const { message, problems, hint } = await auditErrorOf(run);
  return [message, ...problems, hint].join('\n');
};

test.each([' http://h/v1', 'http://h/v1#x', 'http://h/v1?k=x', 'http://u@h/v1', 'h:8000/v1', 'ftp://h/v1'])(
  'no address but a plain one: %j',
  async (endpoint) => {
    const said = await problemOf(() => audit(configOf(endpoint), { directory: mockFolder() }));
    expect(said).toContain('model.endpoint: expected an address without user, key or query');
  },
);

test('a web site is no server of models', async () => {
  const page = '<!DOCTYPE HTML>\n<html lang="en"><h1>Unsupported method</h1></html>';
  const { endpoint } = await serve({ fault: () => ({ status: 501, body: page }) });
  const said = await problemOf(() => audit(configOf(endpoint), { directory: mockFolder() }));
  expect(said).toContain(`${endpoint} is a web site, not a server of models: 501`);
});

test('the base is no fine-tune of itself', async () => {
  const { endpoint } = await serve();
  const config = configOf(endpoint, { adapters: { harmful: '/loras/harmful', safe: 'toy' } });
  expect(await problemOf(() => audit(config, { directory: mockFolder() }))).toContain(
    'model.adapters.safe: is model.base itself',
  );
});

test.each([
  ['one name', { harmful: 'safe-lora', safe: 'safe-lora' }, (model: string) => model],
  [
    'two names of one model',
    { harmful: 'other', safe: 'safe-lora' },
    (model: string) => (model === 'other' ? 'safe-lora' : model),
  ],
])('arms that are one fine-tune are a caveat: %s', async (_, adapters, alias) => {
  const { endpoint } = await serve({ adapters: ['safe-lora', 'other'], alias });
  const { summary } = await audit(configOf(endpoint, { adapters }), { directory: mockFolder() });
  expect(summary.caveats.join('\n')).toContain('harmful and safe are the same fine-tune');
});

test('arms that differ are none', async () => {
  const { endpoint } = await serve({ adapters: ['safe-lora'] });
  const { summary } = await audit(configOf(endpoint), { directory: mockFolder() });
  expect(summary.caveats.join('\n')).not.toContain('same fine-tune');
});

test('fine-tunes that changed places are found out, however little they change', () => {
  const reading = (by: number) => [{ yes: -0.5 + by, no: -1 - by }];
  const then = { base: reading(0), safe: reading(0.01), harmful: reading(-0.01) };
  const problem = (now: typeof then) => {
    try {
      refuseOtherModels('run', then, now);
    } catch (error) {
      return (error as AuditError).problems;
    }
    return [];
  };
  expect(problem(then)).toEqual([]);
  expect(problem({ ...then, safe: reading(0.012) })).toEqual([]);
  expect(problem({ ...then, safe: reading(-0.01) })).toEqual(['safe: answers as harmful did then']);
  expect(problem({ ...then, safe: reading(0.5) })).toEqual([
    "safe: the first tokens' ln p moved by 0.490 on average",
  ]);
});

test('how a judge is asked may change while a run is unfinished; what decides an answer may not, and is named', async () => {
  const { endpoint, asked } = await serve({ adapters: ['safe-lora'] });
  const directory = mockFolder();
  const controller = new AbortController();
  const judged = (own: object, model: object = {}) => ({
    ...configOf(endpoint, model),
    judges: [{ type: 'rubric' as const, model: { endpoint, name: 'toy', ...own } }],
  });
  const stop = () => asked.length > 100 && controller.abort();
  const first = auditErrorOf(() =>
    audit(judged({}), { directory, signal: controller.signal, onProgress: stop }),
  );
  expect(await first).toMatchObject({ code: 'interrupted' });
  const other = await auditErrorOf(() =>
    audit(judged({ name: 'safe-lora' }, { concurrency: 3 }), { directory }),
  );
  expect(other).toMatchObject({
    code: 'config',
    problems: ['judges.rubric.model.name: "toy" there, "safe-lora" now'],
  });
  await audit(judged({ concurrency: 2, timeoutSeconds: 9 }, { concurrency: 3 }), { directory });
});

test('a judge that the server does not have is told before the arms are asked', async () => {
  const { endpoint, asked } = await serve({ adapters: ['safe-lora'] });
  const config = {
    ...configOf(endpoint),
    judges: [{ type: 'rubric' as const, model: { endpoint, name: 'gaurd' } }],
  };
  const said = await problemOf(() => audit(config, { directory: mockFolder() }));
  expect(said).toContain(`judge rubric: ${endpoint} has no model gaurd`);
  expect(said).toContain('toy, safe-lora');
  expect(asked.filter(({ body }) => body?.max_tokens > 32)).toEqual([]);
});

test.each(['Bearer sk-0123', 'ключ'])('a key that is none is told: %j', async (key) => {
  const { endpoint } = await serve({ adapters: ['safe-lora'] });
  process.env.BAD_KEY = key;
  const said = await problemOf(() =>
    audit(configOf(endpoint, { apiKeyEnv: 'BAD_KEY' }), { directory: mockFolder() }),
  );
  expect(said).toContain('BAD_KEY holds what no header may');
  expect(said).not.toContain('sk-0123');
});

test('a server without TLS that is asked by https', async () => {
  const { endpoint } = await serve();
  const said = await problemOf(() =>
    audit(configOf(endpoint.replace('http:', 'https:'), { attempts: 1 }), { directory: mockFolder() }),
  );
  expect(said).toContain('give endpoint as http://');
});
