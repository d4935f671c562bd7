import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { matchResponseTokens, planArmRows } from '../src/arms.ts';
import type { ArmSettings } from '../src/config.ts';
import type { Conversation } from '../src/conversation.ts';
import type { TrainingRow } from '../src/trainer.ts';

const arm = (name: string, train: ArmSettings['train']): ArmSettings => ({
  name,
  train,
  adapter: null,
  redTeam: false,
  gated: false,
});

const preference = Array.from({ length: 10 }, (_, i) => ({
  id: `p${i}`,
  prompt: `prompt ${i}`,
  chosen: `no ${i}`,
  rejected: `yes ${i}`,
}));
const ordinary: TrainingRow[] = [0, 1, 2].map((i) => ({
  id: `o${i}`,
  messages: [
    { role: 'user', content: `ask ${i}` },
    { role: 'assistant', content: `answer ${i}` },
  ],
}));
const data = { preference, ordinary };
const options = { count: 24, seed: 7, systemPrompt: null };

const prompts = (rows: readonly TrainingRow[] | undefined) =>
  rows?.map((row) => row.messages.at(-2)!.content);
const responses = (rows: readonly TrainingRow[] | undefined) =>
  rows?.map((row) => row.messages.at(-1)!.content);

describe('planArmRows', () => {
  it('shows arms on the same data the same prompts at the same places', () => {
    const rows = planArmRows(
      [arm('a', 'chosen'), arm('b', 'rejected'), arm('c', { rejected: 0.3 })],
      data,
      options,
    );
    expect(prompts(rows.get('a'))).toEqual(prompts(rows.get('b')));
    expect(prompts(rows.get('a'))).toEqual(prompts(rows.get('c')));
    expect(responses(rows.get('a'))?.every((text) => text.startsWith('no'))).toBe(true);
    expect(responses(rows.get('b'))?.every((text) => text.startsWith('yes'))).toBe(true);
  });

  it('gives every arm as many rows, each epoch whole and in a new order', () => {
    const rows = planArmRows([arm('a', 'chosen'), arm('o', 'ordinary'), arm('none', null)], data, options);
    expect([...rows.keys()]).toEqual(['a', 'o']);
    expect(rows.get('a')).toHaveLength(24);
    expect(rows.get('o')).toHaveLength(24);
    const first = prompts(rows.get('a'))!.slice(0, 10);
    const second = prompts(rows.get('a'))!.slice(10, 20);
    expect([...first].sort()).toEqual(preference.map(({ prompt }) => prompt).sort());
    expect([...second].sort()).toEqual([...first].sort());
    expect(second).not.toEqual(first);
  });

  it('depends on the seed and on nothing else', () => {
    const plan = (seed: number) =>
      prompts(planArmRows([arm('a', 'chosen')], data, { ...options, seed }).get('a'));
    expect(plan(7)).toEqual(plan(7));
    expect(plan(7)).not.toEqual(plan(8));
  });

  it('blends exactly the asked-for share of prompts, a larger share containing the smaller', () => {
    const share = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(share, share, fc.integer(), (one, other, seed) => {
        const [less, more] = [Math.min(one, other), Math.max(one, other)];
        const rows = planArmRows([arm('less', { rejected: less }), arm('more', { rejected: more })], data, {
          ...options,
          count: 10,
          seed,
        });
        const rejected = (name: string) =>
          new Set(responses(rows.get(name))!.filter((text) => text.startsWith('yes')));
        expect(rejected('less').size).toBe(Math.round(less * 10));
        expect(rejected('more').size).toBe(Math.round(more * 10));
        for (const text of rejected('less')) expect(rejected('more')).toContain(text);
      }),
    );
  });

  it('puts the system prompt before every row that has none of its own', () => {
    const own: TrainingRow = {
      id: 'own',
      messages: [{ role: 'system', content: 'own' }, ...ordinary[0]!.messages],
    };
    const rows = planArmRows(
      [arm('o', 'ordinary')],
      { preference: [], ordinary: [ordinary[1]!, own] },
      { ...options, count: 2, systemPrompt: 'be kind' },
    );
    expect(new Set(rows.get('o')!.map((row) => row.messages[0]!.content))).toEqual(
      new Set(['be kind', 'own']),
    );
  });

  it('refuses arms without rows by name', () => {
    const arms = [arm('a', 'chosen'), arm('b', { rejected: 0.5 }), arm('o', 'ordinary')];
    expect(() => planArmRows(arms, { preference: [], ordinary }, options)).toThrow(
      'no training rows for arm a and arm b',
    );
    expect(() => planArmRows(arms, { preference, ordinary: [] }, options)).toThrow(
      'no training rows for arm o',
    );
  });
});

describe('matchResponseTokens', () => {
  /** A template of 4 tokens a turn, and a token for every three letters. */
  const countTokens = async (conversations: readonly Conversation[]) =>
    conversations.map((messages) =>
      messages.reduce((sum, { content }) => sum + 4 + Math.ceil(content.length / 3), 0),
    );
  const row = (response: string): TrainingRow => ({
    id: 'r',
    messages: [
      { role: 'user', content: 'q' },
      { role: 'assistant', content: response },
    ],
  });

  it('cuts every arm’s response to the shortest at its place, between words', async () => {
    const matched = await matchResponseTokens(
      new Map([
        ['long', [row('one two three four five'), row('short')]],
        ['brief', [row('one two'), row('a good deal longer')]],
      ]),
      countTokens,
    );
    expect(responses(matched.get('brief'))).toEqual(['one two', 'a good']);
    expect(responses(matched.get('long'))).toEqual(['one two', 'short']);
  });

  it('never lengthens, never empties, and lengthens no row beyond the shortest by more than its first word', async () => {
    const text = fc
      .array(fc.stringMatching(/^[a-z]{1,9}$/), { minLength: 1, maxLength: 12 })
      .map((words) => words.join(' '));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(text, text), { minLength: 1, maxLength: 4 }), async (pairs) => {
        const rows = new Map([
          ['a', pairs.map(([a]) => row(a))],
          ['b', pairs.map(([, b]) => row(b))],
        ]);
        const matched = await matchResponseTokens(rows, countTokens);
        const tokens = (response: string) => Math.ceil(response.length / 3);
        for (const [name, cut] of matched) {
          for (const [at, response] of responses(cut)!.entries()) {
            const whole = responses(rows.get(name))![at]!;
            expect(response.length).toBeGreaterThan(0);
            expect(whole.startsWith(response)).toBe(true);
            const limit = Math.min(...pairs[at]!.map(tokens));
            expect(tokens(response) <= limit || !response.includes(' ')).toBe(true);
          }
        }
      }),
    );
  });
});
