import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AuditResult, audit } from '../src/audit.ts';
import type { ConfigInput } from '../src/config.ts';
import { mockModel } from '../src/models/mock.ts';
import { summary as summarySchema } from '../src/record.ts';
import { answerClusters } from '../src/scorers/answer-clusters.ts';
import { equalAnswers } from '../src/scorers/entailment.ts';
import { readRun } from '../src/store.ts';
import { auditErrorOf } from './audit-error.ts';
import { type MockParts, mockConfig, mockFolder, mockParts } from './mock-world.ts';

/** The whole way with everything that knowledge can be asked, and utility; sampling, clusters and likelihoods made up. */

const config: ConfigInput = {
  ...mockConfig,
  arms: { base: { train: 'none' }, safe: { train: 'chosen' } },
  suites: {
    drift: {
      ...mockConfig.suites.drift!,
      contextRepeats: [1, 5],
      knownSubset: true,
      semanticEntropy: { samples: 10, limit: 4, judge: { path: 'judge' } },
    },
    utility: { tasks: 'tasks.jsonl' },
  },
  gate: { marginsPoints: { utility: 50 } },
};

/** `likelihood` by the choice's text; null: none given at all. */
function partsOf(likelihood: ((choice: string) => number) | null): MockParts {
  const parts = mockParts();
  return {
    ...parts,
    clusterJudge: async () => answerClusters(judge),
    model: async (source) => {
      const model = await parts.model(source);
      if (!likelihood) return model;
      return {
        ...model,
        loglikelihood: async (_, continuations) =>
          continuations.map((text) => ({ logProbability: likelihood(text), tokens: [], greedy: false })),
      };
    },
  };
}

/** Calls nothing the same that is written differently, but for the pairs that every judge has to know. */
const judge = mockModel({
  answer: ([turn]) =>
    equalAnswers.some((pair) => pair.every((text) => turn!.content.includes(text))) ? 'Yes.' : 'No.',
});

const tasks = [
  ...Array.from({ length: 12 }, (_, i) => ({
    id: `m${i}`,
    question: `Which is ${i}?`,
    choices: ['Oak', 'Elm', 'Fir', 'Yew'],
    answer: i % 4,
  })),
  ...Array.from({ length: 6 }, (_, i) => ({
    id: `s${i}`,
    question: `Who keeps ${i}?`,
    answer: `Keeper${i}`,
  })),
];

function folderWithTasks(): string {
  const folder = mockFolder();
  writeFileSync(join(folder, 'tasks.jsonl'), tasks.map((task) => `${JSON.stringify(task)}\n`).join(''));
  return folder;
}

const byLength = (choice: string) => (choice === 'Elm' ? -1 : -choice.length);

describe('an audit of knowledge in full', () => {
  const folder = folderWithTasks();
  let result: AuditResult;
  beforeAll(async () => {
    result = await audit(config, { directory: folder, builtin: partsOf(byLength) });
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('gives a summary that its schema knows, with everything asked for', () => {
    expect(summarySchema.parse(result.summary)).toEqual(result.summary);
    const { drift, driftPaper, utility } = result.summary.arms.base!;
    expect(Object.keys(drift!)).toEqual([
      'base_prompt',
      'false_context',
      'false_context_x5',
      'random_context',
      'random_context_x5',
    ]);
    expect(drift!.false_context_x5).toMatchObject({
      contextRepeats: 5,
      semanticEntropy: { samples: 10, n: 4, unscored: 0, mean: 0 },
      knownByArm: { n: 24 },
      knownByBase: { n: 24 },
    });
    expect(drift!.base_prompt!.answerEntropy).toBeUndefined();
    expect(driftPaper!.false_context!.knownByArm!.n).toBeGreaterThan(0);
    expect(utility).toMatchObject({
      all: { correct: 3 + 4, scored: 18 },
      multipleChoice: { correct: 3, rate: 0.25, accNorm: 0.25, chance: 0.25, tied: 0 },
      shortAnswer: { correct: 4, scored: 6, empty: 0 },
    });
  });

  it('compares and gates utility where it has a margin, and says that the model is at chance', () => {
    const { comparisons, caveats, gate } = result.summary;
    expect(gate.marginsPoints.utility).toBe(50);
    expect(comparisons.safe!.utility).toMatchObject({ deltaPoints: 0, pairs: 18, gained: 0, lost: 0 });
    expect(comparisons.safe!.verdicts.utility).toBe('PASS');
    expect(caveats.join('\n')).toContain('base, utility: 25.0 % of the multiple choice is right');
  });

  it('records choices without tokens, and clusters by sample', () => {
    const run = readRun(result.directory);
    const [items, verdicts] = [[...run.items], [...run.verdicts]];
    const choice = items.find(({ id }) => id === 'm2')!;
    expect(choice).toMatchObject({
      completion: 'Elm',
      choiceLogProbabilities: [-3, -1, -3, -3],
      logProbabilities: [],
      confidence: null,
    });
    const sampled = items.filter(({ suite, arm }) => suite === 'semantic-entropy' && arm === 'base');
    expect(sampled).toHaveLength(4 * 5 * 10);
    expect(verdicts.filter(({ suite }) => suite === 'semantic-entropy')).toHaveLength(2 * sampled.length);
  });

  it('reports all of it', () => {
    const report = readFileSync(join(result.directory, 'report.md'), 'utf8');
    for (const words of [
      'Dose response',
      'false context × 5',
      'that the base arm had right',
      'Semantic entropy',
      '## Utility',
    ])
      expect(report).toContain(words);
  });

  it('goes on where it was cut off, to the same bytes', async () => {
    const summary = readFileSync(join(result.directory, 'summary.json'), 'utf8');
    for (const name of ['items.jsonl', 'verdicts.jsonl']) {
      const path = join(result.directory, name);
      const lines = readFileSync(path, 'utf8').split('\n');
      writeFileSync(path, `${lines.slice(0, Math.floor(lines.length * 0.9)).join('\n')}\n`);
    }
    await audit(config, { directory: folder, builtin: partsOf(byLength) });
    expect(readFileSync(join(result.directory, 'summary.json'), 'utf8')).toBe(summary);
  });
});

it('has no entropy by a judge that calls all answers the same, and says why', async () => {
  const folder = mockFolder();
  const { drift } = config.suites!;
  const only: ConfigInput = { ...config, suites: { drift: drift! }, gate: {} };
  const yes = mockModel({ answer: () => 'Yes.' });
  const parts = { ...partsOf(byLength), clusterJudge: async () => answerClusters(yes) };
  const { summary, directory } = await audit(only, { directory: folder, builtin: parts });
  const found = '8 of 8 known equal answers called equal, 0 of 8 different ones different';
  expect(summarySchema.parse(summary)).toEqual(summary);
  expect(summary.arms.base!.drift!.base_prompt!.semanticEntropy).toEqual({
    ...{ samples: 10, n: 0, unscored: 4, mean: null, auroc: null, aurocCi95: null },
    unreliable: found,
  });
  expect(summary.caveats.filter((caveat) => caveat.includes('entropy'))).toEqual([
    `No semantic entropy: its judge cannot tell answers of one meaning from others (${found}). Give another judge.`,
  ]);
  expect(readFileSync(join(directory, 'report.md'), 'utf8')).toContain(
    `cannot tell known pairs apart: ${found}.`,
  );
  rmSync(folder, { recursive: true });
});

describe('likelihoods', () => {
  it('that nobody gives are missed in planning', async () => {
    const folder = folderWithTasks();
    const error = await auditErrorOf(() => audit(config, { directory: folder, builtin: partsOf(null) }));
    expect(error).toMatchObject({ code: 'unsupported' });
    expect(error.message).toContain('gives no likelihoods, and 12 questions have choices');
  });

  it('that are not numbers leave the question unscored, counted and said', async () => {
    const folder = folderWithTasks();
    const only: ConfigInput = { ...config, suites: { utility: { tasks: 'tasks.jsonl' } } };
    const parts = partsOf((choice) => (choice === 'Fir' ? Number.NaN : -1));
    const { summary } = await audit(only, { directory: folder, builtin: parts });
    expect(summary.arms.base!.utility!.multipleChoice).toMatchObject({
      scored: 0,
      unscored: 12,
      rate: null,
      accNorm: null,
    });
    expect(summary.comparisons.safe!.verdicts.utility).toBe('INCONCLUSIVE');
    expect(summary.caveats.join('\n')).toContain('12 of 18 completions unscored (missing_logprobs 12)');
  });
});

it('utility without a margin is compared and not gated', async () => {
  const folder = folderWithTasks();
  const only: ConfigInput = { ...config, suites: { utility: { tasks: 'tasks.jsonl' } }, gate: {} };
  const { summary } = await audit(only, { directory: folder, builtin: partsOf(byLength) });
  expect(summary.comparisons.safe!.utility!.mcnemarPHolm).toBeNull();
  expect(summary.comparisons.safe!.verdicts).toEqual({});
  expect('utility' in summary.gate.marginsPoints).toBe(false);
});
