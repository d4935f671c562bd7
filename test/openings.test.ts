import { join } from 'node:path';
import { expect, test } from 'vitest';
import { packageRoot } from '../src/files.ts';
import { createEngine } from '../src/lm/engine.ts';
import { mockModel } from '../src/models/mock.ts';
import { cutOpenings } from '../src/openings.ts';
import type { Suite } from '../src/suite.ts';
import { auditErrorOf } from './audit-error.ts';

const item = (id: string, prefill?: string, prefillTokens?: number) => ({
  id,
  condition: 'default',
  messages: [],
  judgePrompt: '',
  functionalCategory: null,
  semanticCategory: null,
  answers: null,
  ...(prefill !== undefined && { prefill, prefillTokens: prefillTokens! }),
});
const suiteOf = (...items: ReturnType<typeof item>[]): Suite[] => [
  { kind: 'harm', version: '1', decoding: { maxTokens: 1, temperature: 0, topP: 1, seed: 1 }, items },
];
const mock = mockModel({ answer: () => '' });
/** A byte of UTF-16 a token: a character that takes two is all in the second one's text. */
const model = {
  ...mock,
  tokenTexts: async (texts: readonly string[]) =>
    texts.map((text) => [...text].flatMap((letter) => (letter.length > 1 ? ['', letter] : [letter]))),
};

test('openings are cut to their number of tokens', async () => {
  const [suite] = await cutOpenings(
    suiteOf(item('a'), item('b', 'Sure, so', 4), item('c', 'Sure, so', 8)),
    model,
  );
  expect(suite!.items.map(({ prefill }) => prefill)).toEqual([undefined, 'Sure', 'Sure, so']);
});

test('openings that are too short, or end inside a character, are all named', async () => {
  const brush = 'a\u{1F58C}b';
  const suites = suiteOf(item('a', 'Sure', 5), item('b', brush, 2), item('c', brush, 3));
  expect(await auditErrorOf(() => cutOpenings(suites, model))).toMatchObject({
    code: 'data',
    message: '2 openings cannot be cut to their number of tokens',
    problems: ['a: 4 tokens, 5 asked', 'b: token 2 ends inside a character'],
  });
});

test('a model that does not show its tokens is refused, unless there is nothing to cut', async () => {
  expect((await auditErrorOf(() => cutOpenings(suiteOf(item('a', 'Sure', 1)), mock))).code).toBe(
    'unsupported',
  );
  expect(await cutOpenings(suiteOf(item('a')), mock)).toEqual(suiteOf(item('a')));
});

test('the embedded engine’s tokens of a text are the text', async () => {
  const engine = createEngine();
  const { handle } = await engine.open(join(packageRoot, 'models/wren'), null);
  const text = 'Sure, here is how: the bell’s “knot” — 1, 2 \u{1F58C}.';
  const [tokens] = await engine.tokenTexts(handle, [text]);
  await engine.close(handle);
  expect(tokens!.length).toBeGreaterThan(5);
  expect(tokens!.join('')).toBe(text);
});
