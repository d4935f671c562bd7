import { join } from 'node:path';
import { expect, test } from 'vitest';
import { AuditError, type ErrorCode } from '../src/errors.ts';
import { evaluate } from '../src/evaluate.ts';
import { createFailures } from '../src/failures.ts';
import type { LanguageModel } from '../src/model.ts';
import { mockModel } from '../src/models/mock.ts';
import { openStore } from '../src/store.ts';
import { harmSuite } from '../src/suites/harm.ts';
import { auditErrorOf } from './audit-error.ts';
import { emptyRun } from './run-document.ts';
import { temporaryFolder } from './temporary-folder.ts';

/** What a server refuses, told from a server that is gone: the longest prompts are asked first. */

const decoding = { maxTokens: 12, temperature: 0, topP: 1, seed: 5 };
const suite = harmSuite(
  Array.from({ length: 40 }, (_, index) => ({
    ...{ id: `b${index}`, prompt: index < 30 ? `long ${'word '.repeat(9)}${index}` : `short ${index}` },
    ...{ context: null, functionalCategory: null, semanticCategory: null },
  })),
  { decoding, systemPrompt: null, context: 'system', prefill: null, variance: null },
);

/** Answers what is short, as a server would that is asked for one thing at a time. */
function served(code: ErrorCode): LanguageModel {
  const mock = mockModel({ answer: () => 'It glows red.', batchSize: 1 });
  const generate: LanguageModel['generate'] = async (prompts, ...rest) => {
    if (prompts[0]!.messages.at(-1)!.content.startsWith('long'))
      throw new AuditError(code, '400 does not fit the context');
    return mock.generate(prompts, ...rest);
  };
  return { ...mock, concurrency: 1, generate };
}

test('thirty prompts that are refused one after the other are unscored, and the others asked', async () => {
  const store = openStore(join(temporaryFolder(), 'run'), emptyRun);
  const items = [...(await evaluate({ arm: 'base', model: served('data'), suite, store }))];
  const failed = items.filter(({ failure }) => failure !== undefined);
  expect([items.length, failed.length]).toEqual([40, 30]);
  store.close();
});

test('twenty that get no answer, and none between them, end the run', async () => {
  const store = openStore(join(temporaryFolder(), 'run'), emptyRun);
  const error = await auditErrorOf(() => evaluate({ arm: 'base', model: served('model'), suite, store }));
  expect(error).toMatchObject({ code: 'network', message: expect.stringContaining('20 prompts') });
  expect(store.items.records()).toHaveLength(20);
  store.close();
});

test('of many failures the first twenty are told, and all are counted', async () => {
  const failures = createFailures('harm from base');
  for (let at = 0; at < 1000; at++) failures.note([`b${at}: 400`], true);
  const error = await auditErrorOf(() => failures.throwIfAll(0));
  expect(error.message).toBe('1000 prompts of harm from base got no answer, and none came between');
  expect(error.problems).toEqual([...Array.from({ length: 20 }, (_, at) => `b${at}: 400`), 'and 980 more']);
});
