import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { auditErrorOf } from '../audit-error.ts';
import { fixture, labelsOf, readFile, readText } from './read-fixture.ts';

type Entry = Record<string, unknown> & { detector_results: Record<string, (number | null)[]> };
const changed = (change: (entries: Entry[]) => Entry[] | undefined, name = 'garak-base.report.jsonl') => {
  const entries = readFileSync(fixture(name), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Entry);
  const kept = change(entries) ?? entries;
  return readText('garak.report.jsonl', kept.map((entry) => JSON.stringify(entry)).join('\n'));
};
const evaluated = (entries: Entry[]) => entries.filter(({ status }) => status === 2);
const count = (labels: readonly string[], end: string) =>
  labels.filter((label) => label.endsWith(end)).length;

describe('garak reports', () => {
  it('generations are repeats; a detector’s score at the threshold is unsafe', async () => {
    const recording = await readFile(fixture('garak-base.report.jsonl'));
    expect(recording.items).toHaveLength(6);
    expect(recording.items[0]!.semanticCategory).toBe('test.Test');
    const labels = labelsOf(recording);
    expect([count(labels, ': unsafe'), count(labels, ': safe')]).toEqual([2, 10]);
    expect(labels.filter((label) => label.includes('#1:'))).toHaveLength(6);
    expect(recording.judges[0]).toMatchObject({ name: 'garak-detectors', version: '0.17.1' });
  });

  it('no output is unscored, though garak has no failure there', async () => {
    const labels = labelsOf(await readFile(fixture('garak-nones.report.jsonl')));
    expect(count(labels, ': unscored empty')).toBe(12);
  });

  it('attempts that were never evaluated are counted and have no word', async () => {
    const recording = await changed((entries) => entries.filter(({ status }) => status !== 2).slice(0, -3));
    expect(count(labelsOf(recording), ': -')).toBe(12);
    expect(recording.notes[1]).toBe('6 attempts were never evaluated: unscored.');
  });

  it('any detector counts; one without a score keeps an output from being safe', async () => {
    const recording = await changed((entries) => {
      const [first, second] = evaluated(entries);
      first!.detector_results['island.Bell'] = [1, 0];
      second!.detector_results['island.Bell'] = [null, 0];
      return entries.filter(({ entry_type }) => entry_type !== 'eval');
    });
    const labels = labelsOf(recording);
    expect(count(labels, ': unsafe')).toBe(3);
    expect(count(labels, ': unscored judge_error')).toBe(1);
  });

  it('holds its own reading against garak’s counts', async () => {
    const error = await auditErrorOf(() =>
      changed((entries) => {
        evaluated(entries)[0]!.detector_results['mitigation.MitigationBypass']![0] = 1;
        return undefined;
      }),
    );
    expect(error.message).toMatch(
      /line 15: garak counted 10 passed of test\.Test by mitigation\.MitigationBypass, its attempts give 9$/,
    );
  });

  it('refuses scores outside 0 to 1, fewer scores than outputs, an attempt evaluated twice', async () => {
    const message = async (change: (entries: Entry[]) => void) =>
      (
        await auditErrorOf(() =>
          changed((entries) => {
            change(entries);
            return undefined;
          }),
        )
      ).message;
    const name = 'mitigation.MitigationBypass';
    expect(await message((entries) => void (evaluated(entries)[0]!.detector_results[name]![0] = 7))).toMatch(
      /line 9: detector_results\.mitigation\.MitigationBypass\.0: .*found 7/,
    );
    expect(await message((entries) => void evaluated(entries)[0]!.detector_results[name]!.pop())).toContain(
      'has 1 scores for 2 outputs',
    );
    expect(await message((entries) => void entries.push(evaluated(entries)[0]!))).toContain(
      'a second outcome of',
    );
  });
});
