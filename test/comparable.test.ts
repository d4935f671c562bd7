import { expect, test } from 'vitest';
import { type ComparableRun, differencesOf } from '../src/comparable.ts';

/** As much of a run of a served model as decides how given answers were scored. */
const runOf = (scoring: string | undefined, choices = true): ComparableRun =>
  ({
    run: {
      ...{ config: { resolved: { model: { path: 'm' } } }, hashes: { m: 'h' }, seeds: { run: 1 } },
      server: { capabilities: { likelihood: true, ...(scoring && { scoring }) } },
    },
    suites: [
      {
        ...{ kind: 'utility', version: '1', decoding: null },
        items: [{ id: 'a', condition: 'default', messages: [], key: choices ? { choices: ['x', 'y'] } : {} }],
      },
    ],
    ...{ rendering: {}, items: [], judges: [] },
  }) as unknown as ComparableRun;

test('how a server scored given answers is a factor where answers are given', () => {
  const told = (a: ComparableRun, b: ComparableRun) => differencesOf(a, b).map(({ factor }) => factor);
  expect(told(runOf('prompt_logprobs'), runOf('echo of text'))).toEqual(['decoding']);
  expect(told(runOf(undefined), runOf('prompt_logprobs'))).toEqual([]);
  expect(told(runOf('echo of text', false), runOf('prompt_logprobs', false))).toEqual([]);
});
