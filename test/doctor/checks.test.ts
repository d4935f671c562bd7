import { describe, expect, it } from 'vitest';
import { resolveConfig } from '../../src/config-resolve.ts';
import { ask } from '../../src/conversation.ts';
import { judgeCalibration } from '../../src/doctor/calibrate.ts';
import { parametersOf, secondsFor } from '../../src/doctor/estimate.ts';
import type { Evidence, LocalModel } from '../../src/doctor/evidence.ts';
import { checkPower, resolvableMargin } from '../../src/doctor/power.ts';
import { checkDuplicates, checkLengths, checkOverlap, checkSystemPrompts } from '../../src/doctor/prompts.ts';
import { checkBos, checkTrainingIds } from '../../src/doctor/templates.ts';
import { packageRoot } from '../../src/files.ts';
import { readDecoderConfig } from '../../src/lm/config.ts';
import { neededForPairs } from '../../src/stats.ts';
import type { Suite } from '../../src/suite.ts';
import { mockConfig } from '../mock-world.ts';

/** A model that reads letters: the template is <bos>, the roles' first letters and the texts. */
const bos = '^';
const base = (start = bos): LocalModel => {
  const render = (
    messages: ReturnType<typeof ask>,
    { addGenerationPrompt }: { addGenerationPrompt: boolean },
  ) =>
    start +
    messages.map(({ role, content }) => `${role[0]}:${content}`).join('') +
    (addGenerationPrompt ? 'a:' : '');
  const encode = (text: string) => [...text].map((letter) => letter.codePointAt(0)!);
  const tokenizer = {
    render,
    encode,
    encodeForTraining: (messages) => ({ ids: encode(render(messages, { addGenerationPrompt: false })) }),
  } as LocalModel['tokenizer'];
  return {
    directory: 'base',
    shape: {
      ...readDecoderConfig(`${packageRoot}/models/wren`),
      contextLength: 40,
      bosTokenId: bos.codePointAt(0)!,
    },
    tokenizer,
    countTokens: (messages, addGenerationPrompt) => encode(render(messages, { addGenerationPrompt })).length,
    weightBytes: 1,
  };
};

const harm = (
  prompts: readonly string[],
  system: string | null = null,
  category: string | null = null,
): Suite => ({
  kind: 'harm',
  version: '1',
  decoding: { maxTokens: 8, temperature: 0, topP: 1, seed: 0 },
  items: prompts.map((prompt, at) => ({
    id: `h${at}`,
    condition: 'default',
    messages: ask(prompt, system),
    judgePrompt: prompt,
    functionalCategory: category,
    semanticCategory: null,
    answers: null,
  })),
});

const row = (id: string, prompt: string, response = 'no', system: string | null = null) => ({
  id,
  messages: [...ask(prompt, system), { role: 'assistant', content: response } as const],
});

const evidence = (changes: Partial<Evidence> = {}): Evidence => ({
  config: resolveConfig({ ...mockConfig, suites: { harm: { prompts: 'x.jsonl' } } }, '/'),
  suites: [harm(['light it?', 'snuff it?'])],
  rows: new Map([['safe', [row('0', 'trim it?')]]]),
  base: base(),
  placeOf: (path) => path,
  failures: [],
  ...changes,
});
const statuses = (findings: readonly { status: string }[]) => findings.map(({ status }) => status);

describe('prompts', () => {
  it('asked twice', () => {
    expect(statuses(checkDuplicates(evidence()))).toEqual(['ok']);
    const [found] = checkDuplicates(evidence({ suites: [harm(['light it?', 'Snuff it?', 'LIGHT it'])] }));
    expect(found).toMatchObject({ status: 'warning', details: ['h2 is h0 again'] });
  });

  it('trained on', () => {
    expect(statuses(checkOverlap(evidence()))).toEqual(['ok']);
    const rows = new Map([['safe', [row('7', 'Light it')]]]);
    expect(checkOverlap(evidence({ rows }))[0]).toMatchObject({
      status: 'problem',
      details: ['h0 ~ training row 7 (normalised)'],
      values: { same: 1, near: 0, threshold: 0.7 },
    });
    const near = new Map([['safe', [row('7', 'light the blue lamp of the tower now')]]]);
    const suites = [harm(['light the blue lamp of the tower?'])];
    expect(checkOverlap(evidence({ rows: near, suites }))[0]).toMatchObject({
      status: 'warning',
      values: { near: 1 },
    });
    expect(checkOverlap(evidence({ rows: new Map() }))).toEqual([]);
  });

  it('under another system prompt than the training', () => {
    expect(statuses(checkSystemPrompts(evidence()))).toEqual(['ok']);
    expect(checkSystemPrompts(evidence({ suites: [harm(['light it?'], 'Be kind.')] }))[0]).toMatchObject({
      status: 'warning',
      details: ['trained: none', 'asked: "Be kind."'],
    });
  });

  it('too long for the context, for their answers, for the training', () => {
    expect(statuses(checkLengths(evidence()))).toEqual(['ok']);
    const suites = [harm(['x'.repeat(40), 'x'.repeat(30), 'x'])];
    const rows = new Map([['safe', [row('0', 'x', 'y'.repeat(40))]]]);
    expect(
      checkLengths(evidence({ suites, rows })).map(({ status, details }) => [status, ...details]),
    ).toEqual([
      ['problem', 'harm h0: 45 tokens'],
      ['warning', 'harm h1: 35 + 8 tokens'],
      ['warning', 'row 0: 46 tokens'],
    ]);
    expect(checkLengths(evidence({ base: null }))).toEqual([]);
  });
});

describe('templates', () => {
  it('put one BOS in front', () => {
    expect(statuses(checkBos(evidence()))).toEqual(['ok']);
    expect(statuses(checkBos(evidence({ base: base('^^') })))).toEqual(['problem']);
    expect(statuses(checkBos(evidence({ base: base('') })))).toEqual(['warning']);
  });

  it('begin what is trained on as what is asked', () => {
    expect(statuses(checkTrainingIds(evidence()))).toEqual(['ok']);
    const own = base();
    const thinking = { ...own, tokenizer: { ...own.tokenizer, render: () => '^u:trim it?a:<think>' } };
    expect(checkTrainingIds(evidence({ base: thinking }))[0]).toMatchObject({
      status: 'warning',
      details: ['row 0: from token 13 on'],
    });
  });
});

describe('power', () => {
  const sized = (n: number, category: string | null = null) => [
    harm(
      Array.from({ length: n }, (_, at) => `p${at}`),
      null,
      category,
    ),
  ];

  it('of sizes that are enough, enough for little change, or never enough', () => {
    const [large, middling, small] = [400, 160, 40].map(
      (n) => checkPower(evidence({ suites: sized(n) }))[0]!,
    );
    expect(statuses([large!, middling!, small!])).toEqual(['ok', 'warning', 'problem']);
    expect(middling!.advice).toContain(`use ${neededForPairs(0.1, 0.05)} items`);
    expect(small!.advice).toContain(`use ${neededForPairs(0, 0.05)} items at least`);
    const smoke = evidence({ suites: sized(40) });
    expect(checkPower({ ...smoke, config: { ...smoke.config, preset: 'smoke' } })[0]!.status).toBe('warning');
  });

  it('leaves copyright behaviours out, as the gate does', () => {
    expect(checkPower(evidence({ suites: sized(400, 'copyright') }))[0]!.values).toMatchObject({ n: 0 });
  });

  it('names the margin that a size resolves', () => {
    const margin = resolvableMargin(240, 0.1);
    expect(neededForPairs(0.1, margin / 100)).toBeLessThanOrEqual(240);
    expect(neededForPairs(0.1, margin / 100 - 0.001)).toBeGreaterThan(240);
    expect(resolvableMargin(0, 0.1)).toBe(100);
  });

  it('of nothing gated is none', () => {
    const { config } = evidence();
    const arms = config.arms.map((arm) => ({ ...arm, gated: false }));
    expect(checkPower(evidence({ config: { ...config, arms } }))[0]!.message).toContain('no arm is gated');
  });
});

it('a judge is unreliable when it misses known answers or leaves them unscored', () => {
  const judged = (safe: number, unsafe: number, unscored: number, known = true) =>
    judgeCalibration('guard', { safe, unsafe, unscored, count: 12 }, 'rows', known).status;
  expect([judged(1, 0.75, 0.05), judged(0.7, 1, 0), judged(1, 0.7, 0), judged(1, 1, 0.1)]).toEqual([
    'ok',
    'problem',
    'problem',
    'problem',
  ]);
  expect([judged(1, 0, 0, false), judged(0.5, 0, 0, false)]).toEqual(['warning', 'problem']);
});

it('the estimate counts weights and scales speed by them', () => {
  const shape = readDecoderConfig(`${packageRoot}/models/wren`);
  // 4 layers of 256 × (2·8 + 2·4)·32 + 3·256·640, a tied embedding of 2048 × 256.
  expect(parametersOf(shape)).toBe(4 * (196_608 + 491_520) + 524_288);
  const speed = { parameters: 100, reading: 10, writing: 5, training: 2, from: '' };
  expect(secondsFor({ read: 100, written: 50, trained: 20, judged: 10 }, speed, 200)).toBe(
    2 * (11 + 10 + 10),
  );
});
