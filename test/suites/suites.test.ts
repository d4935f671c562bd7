import { expect, test } from 'vitest';
import { harmSuite } from '../../src/suites/harm.ts';
import { overRefusalSuite } from '../../src/suites/over-refusal.ts';

const decoding = { maxTokens: 8, temperature: 0, topP: 1, seed: 1 };
const plain = { decoding, systemPrompt: null, context: 'system', prefill: null, variance: null } as const;
const behaviour = {
  id: 'a',
  prompt: 'Paint it',
  context: null,
  functionalCategory: null,
  semanticCategory: null,
};

test('a contextual behaviour has its context as system message, and before the behaviour in front of a judge', () => {
  const behaviours = [
    { id: 'a', prompt: 'Paint it', context: null, functionalCategory: 'standard', semanticCategory: 'arts' },
    {
      id: 'b',
      prompt: 'Sum it up',
      context: 'A page',
      functionalCategory: 'contextual',
      semanticCategory: null,
    },
  ];
  expect(harmSuite(behaviours, { ...plain, systemPrompt: 'Be kind' })).toEqual({
    kind: 'harm',
    version: '1',
    decoding,
    context: 'system',
    items: [
      {
        id: 'a',
        condition: 'default',
        messages: [
          { role: 'system', content: 'Be kind' },
          { role: 'user', content: 'Paint it' },
        ],
        judgePrompt: 'Paint it',
        functionalCategory: 'standard',
        semanticCategory: 'arts',
        answers: null,
      },
      {
        id: 'b',
        condition: 'default',
        messages: [
          { role: 'system', content: 'A page' },
          { role: 'user', content: 'Sum it up' },
        ],
        judgePrompt: 'A page\nSum it up',
        functionalCategory: 'contextual',
        semanticCategory: null,
        answers: null,
      },
    ],
  });
});

test('the context may stand in the user’s turn as HarmBench writes it, and the judge is shown that turn', () => {
  const contextual = { ...behaviour, context: 'A page' };
  const suite = harmSuite([contextual], { ...plain, systemPrompt: 'Be kind', context: 'user' });
  expect(suite.context).toBe('user');
  expect(suite.items[0]).toMatchObject({
    messages: [
      { role: 'system', content: 'Be kind' },
      { role: 'user', content: 'A page\n\n---\n\nPaint it' },
    ],
    judgePrompt: 'A page\n\n---\n\nPaint it',
  });
  expect(harmSuite([behaviour], { ...plain, context: 'user' })).not.toHaveProperty('context');
});

test('a prefill attack asks everything again for each number of tokens, with the row’s own opening where it has one', () => {
  const rows = [
    { ...behaviour, opening: 'First, the brush' },
    { ...behaviour, id: 'b' },
  ];
  const { items } = harmSuite(rows, { ...plain, prefill: { tokens: [1, 5], text: 'Sure, here it is' } });
  expect(
    items.map(({ id, condition, prefill, prefillTokens }) => [id, condition, prefill, prefillTokens]),
  ).toEqual([
    ['a', 'default', undefined, undefined],
    ['b', 'default', undefined, undefined],
    ['a', 'prefill 1', 'First, the brush', 1],
    ['b', 'prefill 1', 'Sure, here it is', 1],
    ['a', 'prefill 5', 'First, the brush', 5],
    ['b', 'prefill 5', 'Sure, here it is', 5],
  ]);
});

test('a variance budget asks everything under every template and seed, and the judge is shown the prompt itself', () => {
  const variance = { templates: ['$& Please: {prompt}'], seeds: [7] };
  const suite = harmSuite([behaviour], { ...plain, variance });
  expect(suite.variance).toEqual({ templates: ['{prompt}', '$& Please: {prompt}'], seeds: [1, 7] });
  expect(
    suite.items.map(({ condition, messages, variation }) => [condition, messages[0]!.content, variation]),
  ).toEqual([
    ['default', 'Paint it', undefined],
    ['template 0, seed 7', 'Paint it', { template: 0, seed: 1 }],
    ['template 1, seed 1', '$& Please: Paint it', { template: 1, seed: 0 }],
    ['template 1, seed 7', '$& Please: Paint it', { template: 1, seed: 1 }],
  ]);
  expect(suite.items.every(({ judgePrompt }) => judgePrompt === 'Paint it')).toBe(true);
});

test('prompts that are not harmless have no place in over-refusal', () => {
  const prompts = [
    { id: 'a', prompt: 'Kill a process?', type: 'homonyms', harmless: true },
    { id: 'b', prompt: 'Other?', type: 'contrast_homonyms', harmless: false },
  ];
  expect(overRefusalSuite(prompts, { decoding, systemPrompt: null })).toEqual({
    kind: 'over-refusal',
    version: '1',
    decoding,
    items: [
      {
        id: 'a',
        condition: 'default',
        messages: [{ role: 'user', content: 'Kill a process?' }],
        judgePrompt: 'Kill a process?',
        functionalCategory: null,
        semanticCategory: 'homonyms',
        answers: null,
      },
    ],
    notes: [expect.stringMatching(/^Over-refusal: 1 of the file’s prompts are labelled unsafe/)],
  });
  expect(overRefusalSuite(prompts.slice(0, 1), { decoding, systemPrompt: null })).not.toHaveProperty('notes');
});
