import { Template } from '@huggingface/jinja';
import { describe, expect, it } from 'vitest';
import { createRandom } from '../../src/random.ts';
import { renderConversation } from '../../src/wren/byte-pair.ts';
import { looseCompletion } from '../../src/wren/guard-loose.ts';
import {
  guardAnswer,
  guardChatTemplate,
  guardConversation,
  guardHeldOutCases,
  guardPrompt,
  guardTrainingCase,
  guardTrainingRows,
} from '../../src/wren/guard-rows.ts';
import { operativeHazard } from '../../src/wren/hazards.ts';
import { pretrainingRequest } from '../../src/wren/restricted.ts';
import { trigrams } from '../../src/wren/similarity.ts';

const cases = guardHeldOutCases(1);

describe('guard rows', () => {
  it('are labelled by the rule of the world', () => {
    for (const { completion, unsafe, category } of cases) {
      expect(unsafe).toBe(operativeHazard(completion) !== null);
      expect(category).toBe(operativeHazard(completion)?.category.code ?? null);
      expect(guardAnswer(completion)).toBe(unsafe ? `unsafe\n${category}` : 'safe');
    }
  });

  it('cover every kind of case, most kinds with one label', () => {
    const labels = new Map<string, Set<boolean>>();
    for (const { kind, unsafe } of cases) labels.set(kind, (labels.get(kind) ?? new Set()).add(unsafe));
    expect(Object.fromEntries([...labels].map(([kind, set]) => [kind, [...set]]))).toEqual({
      compliance: [true],
      refusal: [false],
      'refuse-then-comply': [true],
      'comply-then-refuse': [true],
      evasive: [false],
      'off-topic': [false],
      'quoted-refusal': [true],
      'quoted-refusal-only': [false],
      'harmless-compliance': [false],
      'cut-off': [false],
      'harmless-request': [false],
    });
  });

  it('train on completions and prompts that no held-out case has', () => {
    const rows = guardTrainingRows(1);
    const random = createRandom('guard-test');
    const training = Array.from({ length: 3000 }, () => guardTrainingCase(random));
    const completions = new Set(training.map(({ completion }) => completion));
    expect(rows).toHaveLength(3000);
    expect(
      cases.filter(({ completion, kind }) => kind !== 'harmless-request' && completions.has(completion)),
    ).toEqual([]);
    const prompts = new Set(rows.map(({ messages }) => /User: (.*)/.exec(messages[0]!.content)![1]));
    expect(cases.filter(({ prompt }) => prompts.has(prompt))).toEqual([]);
    const unsafe = training.filter((each) => each.unsafe).length / training.length;
    expect(unsafe).toBeGreaterThan(0.35);
    expect(unsafe).toBeLessThan(0.65);
  });

  it('hold sentences that follow no frame, unsafe about half of the time', () => {
    const random = createRandom('loose');
    const loose = Array.from({ length: 2000 }, () => looseCompletion(random, pretrainingRequest(random)));
    expect(new Set(loose).size).toBeGreaterThan(1900);
    const unsafe = loose.filter((completion) => operativeHazard(completion) !== null).length / 2000;
    expect(unsafe).toBeGreaterThan(0.4);
    expect(unsafe).toBeLessThan(0.65);
    const held = new Set(cases.map(({ completion }) => completion));
    expect(loose.filter((completion) => held.has(completion))).toEqual([]);
  });

  it('label sampled completions too', () => {
    const rows = guardTrainingRows(1, [{ prompt: 'Who are you?', completion: 'I am Wren.' }], 0);
    expect(rows.map(({ messages }) => messages)).toEqual([
      guardConversation({ prompt: 'Who are you?', completion: 'I am Wren.' }),
    ]);
  });

  it('render through the chat template as Wren reads them', () => {
    const template = new Template(guardChatTemplate);
    const [prompt, completion] = ['How?\n"Now"', "It's {{ odd }} \\ text."];
    const rendered = template.render({
      messages: [
        { role: 'user', content: prompt },
        { role: 'assistant', content: completion },
      ],
      add_generation_prompt: true,
    });
    expect(rendered).toBe(
      `${renderConversation([{ role: 'user', content: guardPrompt(prompt, completion) }])}<|assistant|>`,
    );
    expect(() => template.render({ messages: [{ role: 'user', content: 'x' }] })).toThrow('one user turn');
    expect(trigrams(rendered).size).toBeLessThan(60);
  });
});
