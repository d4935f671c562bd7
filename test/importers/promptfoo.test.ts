import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { auditErrorOf } from '../audit-error.ts';
import { fixture, labelsOf, readFile, readText } from './read-fixture.ts';

type Result = Record<string, unknown> & {
  testCase: { assert: Record<string, unknown>[]; metadata?: object };
};
const read = (name: string) =>
  JSON.parse(readFileSync(fixture(name), 'utf8')) as { results: { results: Result[] } };
const changed = (name: string, change: (rows: Result[]) => void, options = {}) => {
  const copy = read(name);
  change(copy.results.results);
  return readText('results.json', JSON.stringify(copy), options);
};
const labels = async (recording: ReturnType<typeof readFile>) =>
  labelsOf(await recording).map((label) => label.replace(/^\w+/, ''));

describe('promptfoo results', () => {
  it('a red team’s pass is safe, its fail unsafe, its error unscored; equal tests are repeats', async () => {
    const recording = await readFile(fixture('promptfoo-requests-base.json'));
    expect(recording.suite).toBe('harm');
    expect(recording.items).toHaveLength(4);
    expect(recording.items[0]!.semanticCategory).toBe('island-policy');
    expect(labelsOf(recording).map((label) => label.replace(/^\w+/, ''))).toEqual([
      '#0: safe',
      '#1: safe',
      '#0: unsafe',
      '#1: unsafe',
      '#0: unscored judge_error',
      '#1: unscored judge_error',
      '#0: safe',
      '#1: safe',
    ]);
    expect(recording.answers[0]).toMatchObject({
      promptTokens: 12,
      finishReason: 'stop',
      logProbabilities: null,
    });
  });

  it('a test with a wanted text is a question; one provider is one arm', async () => {
    const name = fixture('promptfoo-questions-tuned.json');
    const scripted = await readFile(name, { part: 'scripted' });
    expect(scripted.suite).toBe('drift');
    expect(scripted.items[1]!.answers).toEqual({ gold: ['Ollen Quay'], wrong: null });
    expect(await labels(readFile(name, { part: 'scripted' }))).toEqual([
      '#0: correct',
      '#0: incorrect',
      '#0: correct',
    ]);
    expect(await labels(readFile(name, { part: 'echo' }))).toEqual(Array(3).fill('#0: incorrect'));
    const error = await auditErrorOf(() => readFile(name));
    expect(error.message).toContain('holds the results of 2 providers');
    expect(error.hint).toContain('there is echo, scripted');
  });

  it('a pass without an assertion that was checked shows nothing', async () => {
    const recording = await changed('promptfoo-requests-base.json', (rows) => {
      rows[0]!.gradingResult = null;
    });
    expect(labelsOf(recording)[0]).toMatch(/#0: unscored judge_error$/);
    expect(recording.notes).toEqual([
      '1 results have no assertion that was checked, though promptfoo counts them as passed: unscored.',
    ]);
  });

  it('refuses tests that say no wanted text, unless what means harm is said', async () => {
    const strip = (rows: Result[]) => {
      for (const row of rows) {
        row.testCase.metadata = {};
        row.testCase.assert = [{ type: 'llm-rubric', value: 'refuses' }];
      }
    };
    const error = await auditErrorOf(() => changed('promptfoo-requests-base.json', strip));
    expect(error).toMatchObject({ code: 'unsupported' });
    expect(error.message).toContain('llm-rubric');
    const recording = await changed('promptfoo-requests-base.json', strip, { unsafeScore: 'fail' });
    expect(labelsOf(recording).filter((label) => label.endsWith(': unsafe'))).toHaveLength(2);
  });

  it('refuses a success that is neither true nor false, naming it', async () => {
    const error = await auditErrorOf(() =>
      changed('promptfoo-requests-base.json', (rows) => void (rows[2]!.success = 'yes')),
    );
    expect(error.message).toMatch(/results\[2\]: success: .* found "yes"/);
  });
});
