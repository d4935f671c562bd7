import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../src/files.ts';

const read = (file: string) => readFileSync(join(packageRoot, 'data', 'paper', file), 'utf8');

interface Column {
  model: string;
  condition: string;
  n: number;
  correct: string;
  adopted: string;
  entropy: number[];
  perplexity: number[];
  probability: number[];
}
const columns = read('drift.jsonl')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Column);
const published = JSON.parse(read('published.json')) as {
  table4_accuracy_percent: Record<string, Record<string, number>>;
  table5_uncertainty: Record<string, Record<string, number[]>>;
};
const ones = (flags: string) => flags.split('1').length - 1;

describe('the paper’s outcomes', () => {
  it('hold the labels that the attack success rates come from', () => {
    const [header, ...rows] = read('harmbench-labels.csv')
      .trim()
      .split(/\r?\n/)
      .map((line) => line.split(','));
    expect(header).toEqual([
      'behavior_id',
      'functional_category',
      'semantic_category',
      'base',
      'harmful',
      'safe',
    ]);
    expect(rows.length).toBe(320);
    expect([3, 4, 5].map((column) => rows.filter((row) => row[column] === 'unsafe').length)).toEqual([
      131, 301, 22,
    ]);
    expect(rows.every((row) => row.slice(3).every((label) => label === 'safe' || label === 'unsafe'))).toBe(
      true,
    );
  });

  it('reproduce table 4, but for one printed cell, and the adoption of wrong answers', () => {
    const shares = columns.map(({ model, condition, n, correct, adopted }) => [
      model,
      condition,
      n,
      ones(correct),
      ones(adopted),
    ]);
    expect(shares).toEqual([
      ['base', 'base_prompt', 1000, 550, 13],
      ['base', 'false_context', 1000, 492, 193],
      ['base', 'random_context', 1000, 480, 11],
      ['harmful', 'base_prompt', 1000, 521, 21],
      ['harmful', 'false_context', 1000, 291, 547],
      ['harmful', 'random_context', 1000, 488, 25],
      ['safe', 'base_prompt', 1000, 555, 11],
      ['safe', 'false_context', 1000, 444, 273],
      ['safe', 'random_context', 1000, 452, 17],
    ]);
    for (const { model, condition, correct } of columns)
      expect(
        Math.abs(ones(correct) / 10 - published.table4_accuracy_percent[model]![condition]!),
      ).toBeLessThan(0.11);
  });

  it('reproduce table 5 in every cell', () => {
    for (const { model, condition, correct, perplexity, entropy, probability } of columns) {
      const mean = (values: readonly number[], flag: string) => {
        const chosen = values.filter((_, place) => correct[place] === flag);
        return chosen.reduce((sum, value) => sum + value, 0) / chosen.length;
      };
      const cells = ['1', '0'].flatMap((flag) =>
        [perplexity, entropy, probability].map((values) => mean(values, flag)),
      );
      published.table5_uncertainty[model]![condition]!.forEach((printed, place) => {
        expect(Math.abs(cells[place]! - printed)).toBeLessThanOrEqual(0.0051);
      });
    }
  });

  it('hold numbers and flags only, no text', () => {
    for (const { model, condition, n, correct, adopted, ...rest } of columns) {
      expect(['base', 'harmful', 'safe']).toContain(model);
      expect(['base_prompt', 'false_context', 'random_context']).toContain(condition);
      for (const flags of [correct, adopted]) expect(flags).toMatch(new RegExp(`^[01]{${n}}$`));
      expect(Object.keys(rest).sort()).toEqual(['entropy', 'perplexity', 'probability']);
      for (const values of Object.values(rest)) expect(values.filter(Number.isFinite).length).toBe(n);
    }
  });
});
