import { expect, test, vi } from 'vitest';
import { mockModel } from '../src/models/mock.ts';
import type { Progress } from '../src/progress.ts';
import { renderSuites } from '../src/rendered-prompts.ts';
import type { Suite } from '../src/suite.ts';

const suiteOf = (kind: Suite['kind'], count: number) =>
  ({
    kind,
    items: Array.from({ length: count }, (_, at) => ({
      messages: [{ role: 'user', content: `${kind} ${at}` }],
    })),
  }) as unknown as Suite;

async function toldOf(secondsEach: number): Promise<Progress[]> {
  const model = mockModel({ answer: {} });
  let now = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => now);
  const told: Progress[] = [];
  const render: typeof model.render = (conversations) => {
    now += 1000 * secondsEach;
    return model.render(conversations);
  };
  try {
    const prompts = await renderSuites(
      { ...model, render },
      [suiteOf('harm', 2500), suiteOf('drift', 1500)],
      (progress) => told.push(progress),
    );
    expect(prompts.map(({ suite, tokenCounts }) => [suite.kind, tokenCounts.length])).toEqual([
      ['harm', 2500],
      ['drift', 1500],
    ]);
  } finally {
    vi.restoreAllMocks();
  }
  return told;
}

test('prompts that take a tokenizer long are told of, all suites together, and quick ones are not', async () => {
  const told = await toldOf(1);
  expect(told.map(({ done, total }) => [done, total])).toEqual([
    [2500, 4000],
    [3524, 4000],
    [4000, 4000],
  ]);
  expect(told[0]).toMatchObject({ stage: 'read', label: 'prompts', unit: 'prompts' });
  expect(await toldOf(0.1)).toEqual([]);
});
