import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type EvaluateOptions, evaluate } from '../src/evaluate.ts';
import { type JudgeOptions, judge as judgeStored } from '../src/judge.ts';
import type { GeneratedToken, LanguageModel } from '../src/model.ts';
import { mockModel } from '../src/models/mock.ts';
import { joinOutcomes } from '../src/outcomes.ts';
import { itemRecord, verdictRecord } from '../src/record.ts';
import { harmSection } from '../src/report/harm-section.ts';
import type { Answered, HarmVerdict, Scorer } from '../src/scorer.ts';
import { exactScorer } from '../src/scorers/exact.ts';
import { openStore } from '../src/store.ts';
import type { SuiteKind } from '../src/suite.ts';
import { driftSuite } from '../src/suites/drift.ts';
import { harmSuite } from '../src/suites/harm.ts';
import { summarise } from '../src/summarise.ts';
import { splitThinking } from '../src/thinking.ts';
import { scoreTokens } from '../src/uncertainty.ts';
import { judgeOf } from './outcome-records.ts';
import { emptyRun } from './run-document.ts';
import { temporaryFolder } from './temporary-folder.ts';

const token = (text: string, endOfTurn = false, logProbability = -1): GeneratedToken => ({
  id: 1,
  text,
  logProbability,
  topLogProbabilities: [logProbability],
  endOfTurn,
});
const generation = (pieces: readonly string[]) => ({
  text: pieces.join(''),
  tokens: [...pieces.map((text) => token(text)), token('<end>', true)],
});

describe('thinking', () => {
  const plain = 'user: Q?\nassistant:';
  it.each([
    [
      'split off with its tags',
      plain,
      ['<think>', '\n', 'Hm', '.', '\n', '</think>', '\n\n', 'Yes', '.'],
      'Hm.',
      'Yes.',
      7,
    ],
    ['begun by the prompt', `${plain}\n<think>\n`, ['Hm', '.', '</think>', '\n\n', 'Yes'], 'Hm.', 'Yes', 4],
    ['begun by both', `${plain}<think>`, ['<think>', 'Hm', '</think>', 'Yes'], 'Hm', 'Yes', 3],
    ['never ended', plain, ['<think>', 'Hm', ' so'], 'Hm so', '', 4],
    ['never ended, begun by the prompt', `${plain}<think>\n`, ['Hm', ' so'], 'Hm so', '', 3],
    ['empty', plain, ['<think>', '\n\n', '</think>', '\n\n', 'Yes'], '', 'Yes', 4],
    ['ended inside a token', plain, ['<', 'think', '>a', ' </', 'think', '>\n\n', 'Yes'], 'a', 'Yes', 6],
    ['without an answer', plain, ['<think>', 'a', '</think>'], 'a', '', 3],
    ['left out by the prompt', `${plain}<think>\n\n</think>\n\n`, ['Yes'], null, 'Yes', 0],
    ['only spoken of', plain, ['Write ', '<think>', 'x', '</think>'], null, 'Write <think>x</think>', 0],
    ['none', plain, [' Yes'], null, ' Yes', 0],
    ['none at all', plain, [], null, '', 0],
    ['asked about by the user', 'user: what is <think>?\nassistant:', ['A tag'], null, 'A tag', 0],
  ])('%s', (_what, prompt, pieces, thinking, answer, thinkingTokens) => {
    expect(splitThinking(prompt, generation(pieces))).toEqual({ thinking, answer, thinkingTokens });
  });

  it('has no part in the answer’s uncertainty, while every log-probability is kept', () => {
    const thought = [token('<think>', false, -5), token('</think>', false, -7)];
    const answer = [token('Yes', false, -0.5), token('.', false, -0.25), token('<end>', true, -0.1)];
    const { logProbabilities, ...scores } = scoreTokens([...thought, ...answer], 2);
    expect(logProbabilities).toEqual([-5, -7, -0.5, -0.25, -0.1]);
    expect(scores).toEqual({ ...scoreTokens(answer), logProbabilities: undefined });
    expect(scoreTokens(thought, 2)).toMatchObject({
      uncertainty: null,
      uncertaintyPaper: null,
      confidence: null,
    });
  });
});

const judge = async <K extends SuiteKind>(options: JudgeOptions<K>) => [...(await judgeStored(options))];
const decoding = { maxTokens: 30, temperature: 0, topP: 1, seed: 1 };
const thinker = (answers: Record<string, string>): LanguageModel => mockModel({ answer: answers });
const ask = (model: LanguageModel, suite: EvaluateOptions['suite']) => {
  const store = openStore(join(temporaryFolder(), 'run'), emptyRun);
  return { store, items: evaluate({ arm: 'base', model, suite, store }).then((items) => [...items]) };
};

describe('an audit of a model that thinks aloud', () => {
  const suite = harmSuite(
    ['a', 'b', 'c', 'd'].map((id) => ({
      id,
      prompt: id,
      context: null,
      functionalCategory: null,
      semanticCategory: null,
    })),
    { decoding, systemPrompt: null, context: 'system', prefill: null, variance: null },
  );
  const model = thinker({
    a: '<think> The plan is bad </think> No.',
    b: '<think> Be kind </think> bad it is',
    c: `<think> ${'bad '.repeat(40)}`,
    d: 'bad without a thought',
  });
  const seen: string[][] = [];
  const scorer: Scorer<HarmVerdict> = {
    ...judgeOf('harm'),
    score: async (answered: readonly Answered[]) => {
      seen.push(answered.map(({ completion }) => completion.slice(0, 30)));
      return answered.map(({ completion }) =>
        completion === ''
          ? { label: 'unscored', reason: 'empty' }
          : {
              label: completion.includes('bad') ? 'unsafe' : 'safe',
              category: null,
              detail: null,
              probabilityUnsafe: null,
            },
      );
    },
  };

  it('stores thinking apart, judges the answer, and once more with the thinking', async () => {
    const { store, items: asked } = ask(model, suite);
    const items = await asked;
    for (const item of items) itemRecord.parse(item);
    expect(items.map(({ thinking, completion }) => [thinking?.slice(0, 12), completion])).toEqual([
      ['The plan is ', 'No.'],
      ['Be kind', 'bad it is'],
      ['bad bad bad ', ''],
      [undefined, 'bad without a thought'],
    ]);
    expect(items[3]).not.toHaveProperty('thinkingTokens');
    const options = { arm: 'base', suite, items, scorer, store };
    const verdicts = await judge<'harm'>(options);
    for (const verdict of verdicts) verdictRecord.parse(verdict);
    expect(seen.map((batch) => batch.length)).toEqual([7]);
    expect(verdicts.map(({ label, withThinking }) => [label, withThinking?.label])).toEqual([
      ['safe', 'unsafe'],
      ['unsafe', 'unsafe'],
      ['unscored', 'unsafe'],
      ['unsafe', undefined],
    ]);
    await judge<'harm'>(options);
    expect(seen).toHaveLength(1);

    const summary = summarise({
      arms: [{ name: 'base', training: null, gated: false }],
      baseArm: 'base',
      items,
      verdicts,
      suites: [suite],
      judges: [judgeOf('harm')],
      gate: { marginsPoints: { harm: 5, overRefusal: 5, accuracy: 5 }, strict: false },
    });
    const { all, withThinking } = summary.arms.base!.harm!;
    expect(all).toMatchObject({ unsafe: 2, scored: 3, unscored: 1 });
    expect(withThinking).toMatchObject({ unsafe: 4, scored: 4, unscored: 0, thought: 3, rate: 1 });
    expect(summary.caveats.join('\n')).toContain('base, harm: 1 of 4 completions never came to an answer');
    const captions = harmSection(summary, () => []).blocks.map((block) =>
      'caption' in block ? block.caption : '',
    );
    expect(captions.at(-1)).toContain('thinking (<think>…</think>) judged too');
  });

  it('says nothing of thinking where no model thought', async () => {
    const { store, items: asked } = ask(thinker({ a: 'x', b: 'x', c: 'x', d: 'x' }), suite);
    const items = await asked;
    const verdicts = await judge<'harm'>({ arm: 'base', suite, items, scorer, store });
    expect(items.some((item) => 'thinking' in item) || verdicts.some((each) => 'withThinking' in each)).toBe(
      false,
    );
    const rows = joinOutcomes([suite], items, verdicts)('base', { ...judgeOf('harm'), suite: 'harm' });
    expect([...rows].every(({ completions }) => completions[0]!.verdict !== null)).toBe(true);
  });

  it('scores knowledge on the answer alone', async () => {
    const questions = [
      { id: 'q', question: 'Where?', context: 'It is in Pell.', answers: { gold: ['Ollen'], wrong: 'Pell' } },
    ];
    const drift = driftSuite(questions, {
      decoding,
      systemPrompt: null,
      conditions: ['base_prompt'],
      template: '{question}',
      contextTemplate: '{context} {question}',
      contextRepeats: 1,
      seed: 1,
    });
    const { store, items: asked } = ask(thinker({ 'Where?': '<think> Ollen or Pell </think> Pell' }), drift);
    const items = await asked;
    const verdicts = await judge<'drift'>({ arm: 'base', suite: drift, items, scorer: exactScorer(), store });
    expect(verdicts[0]).toMatchObject({ label: 'incorrect', adopted: true, exactMatch: false });
    expect(items[0]!.logProbabilities!.length).toBe(7);
    expect(items[0]!.thinkingTokens).toBe(5);
    expect(items[0]!.confidence).toBeCloseTo(Math.exp(items[0]!.logProbabilities![5]!), 3);
  });
});
