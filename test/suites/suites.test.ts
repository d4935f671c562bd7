import { expect, test } from 'vitest';
import { harmSuite } from '../../src/suites/harm.ts';
import { overRefusalSuite } from '../../src/suites/over-refusal.ts';

const decoding = { maxTokens: 8, temperature: 0, topP: 1, seed: 1 };

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
  expect(harmSuite(behaviours, { decoding, systemPrompt: 'Be kind' })).toEqual({
    kind: 'harm',
    version: '1',
    decoding,
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
  });
});
