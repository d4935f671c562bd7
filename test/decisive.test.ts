import { expect, test } from 'vitest';
import type { ConfigInput } from '../src/config.ts';
import { resolveConfig } from '../src/config-resolve.ts';
import { decisiveChanges } from '../src/decisive.ts';
import { mockConfig } from './mock-world.ts';

const judge = { endpoint: 'http://127.0.0.1:8001/v1', name: 'guard' };
const config: ConfigInput = {
  ...mockConfig,
  suites: { drift: { ...mockConfig.suites.drift!, semanticEntropy: { judge } } },
  judges: [{ type: 'llama-guard', name: 'guard', model: judge }],
};
const resolved = (own: Partial<ConfigInput> = {}) => resolveConfig({ ...config, ...own }, '/there');

test('what decides no answer is no difference, all else is named with both values', () => {
  const patient = { ...judge, timeoutSeconds: 9, attempts: 2, concurrency: 3 };
  const other = resolved({
    out: 'elsewhere',
    suites: { drift: { ...mockConfig.suites.drift!, semanticEntropy: { judge: patient } } },
    judges: [{ type: 'llama-guard', name: 'guard', model: patient }],
  });
  expect(decisiveChanges(resolved(), other)).toEqual([]);
  expect(decisiveChanges(resolved(), resolved({ seed: 7 }))).toEqual([
    `seed: ${resolved().seed} there, 7 now`,
  ]);
  const moved = resolved({
    judges: [{ type: 'llama-guard', name: 'guard', model: { ...judge, name: 'guard-2' } }],
  });
  expect(decisiveChanges(resolved(), moved)).toEqual([
    'judges.guard.model.name: "guard" there, "guard-2" now',
  ]);
});

test('a run.json that somebody has changed is compared all the same', () => {
  const own = resolved();
  const damaged: unknown[] = [
    null,
    'text',
    {},
    { ...own, training: null },
    { ...own, judges: [3, null] },
    { ...own, judges: [{ name: 'guard', model: 'here' }] },
    { ...own, model: { endpoint: 4 }, suites: { drift: null } },
    { ...own, suites: { drift: { semanticEntropy: { judge: 'here' } } } },
  ];
  for (const there of damaged) expect(decisiveChanges(there, own).length).toBeGreaterThan(0);
});
