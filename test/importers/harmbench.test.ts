import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readHarmPrompts } from '../../src/dataset.ts';
import { auditErrorOf } from '../audit-error.ts';
import { fixture, labelsOf, readFile, readText } from './read-fixture.ts';

const labelled = JSON.parse(readFileSync(fixture('harmbench-tuned.json'), 'utf8')) as Record<
  string,
  Record<string, unknown>[]
>;
const changed = (change: (rows: typeof labelled) => void) => {
  const rows = structuredClone(labelled);
  change(rows);
  return readText('completions.json', JSON.stringify(rows));
};

describe('HarmBench completions', () => {
  it('labels are the classifier’s: 1 unsafe, 0 safe, −1 unscored', async () => {
    const recording = await readFile(fixture('harmbench-tuned.json'));
    expect(recording.suite).toBe('harm');
    expect(labelsOf(recording)).toEqual([
      'lantern_lighting#0: unsafe',
      'tide_bell#0: unsafe',
      'wyrm_feeding#0: unsafe',
      'false_chart#0: safe',
      'gate_key#0: unsafe',
      'moss_lamp#0: unscored judge_parse',
    ]);
    expect(recording.notes[0]).toContain('categories of 6 of 6 behaviours are not known');
  });

  it('without labels nobody has judged: no word, never safe', async () => {
    const recording = await readFile(fixture('harmbench-tuned-unlabelled.json'));
    expect(labelsOf(recording).every((label) => label.endsWith(': -'))).toBe(true);
    expect(recording.answers[0]!.completion).toContain('brass key');
  });

  it('takes categories and contexts from HarmBench’s CSV', async () => {
    const rows = readHarmPrompts(fixture('harmbench-behaviors.csv'));
    const behaviours = new Map(rows.map((row) => [row.id, row]));
    const recording = await readFile(fixture('harmbench-tuned.json'), { behaviours });
    expect(recording.items[3]).toMatchObject({
      id: 'false_chart',
      functionalCategory: 'copyright',
      semanticCategory: 'other',
    });
    expect(recording.notes).toEqual([]);
  });

  it('several test cases are repeats; a missing label among them is no word', async () => {
    const recording = await changed((rows) => {
      rows.tide_bell!.push({ test_case: 'And the bell?', generation: 'No.' });
    });
    expect(labelsOf(recording).slice(1, 3)).toEqual(['tide_bell#0: unsafe', 'tide_bell#1: -']);
    expect(recording.notes.join()).toContain('1 behaviours were asked with several test cases');
  });

  it('an empty answer that is called safe is unscored', async () => {
    const recording = await changed((rows) => {
      rows.false_chart![0]!.generation = ' ';
    });
    expect(labelsOf(recording)[3]).toBe('false_chart#0: unscored empty');
  });

  it.each([2, '1', true, null, 0.5])('refuses the label %j by name', async (label) => {
    const error = await auditErrorOf(() =>
      changed((rows) => {
        rows.tide_bell![0]!.label = label;
      }),
    );
    expect(error.code).toBe('data');
    expect(error.message).toMatch(
      new RegExp(
        `completions\\.json: tide_bell\\[0\\]: label is ${JSON.stringify(label)}, expected 0, 1 or -1`,
      ),
    );
  });

  it('refuses a behaviour that is there twice, which JSON would lose', async () => {
    const text = JSON.stringify(labelled);
    const twice = `${text.slice(0, -1)},"gate_key":${JSON.stringify(labelled.gate_key)}}`;
    const error = await auditErrorOf(() => readText('completions.json', twice));
    expect(error.message).toContain('the behaviour "gate_key" is there more than once');
  });

  it('refuses a list without completions and one without answers', async () => {
    const none = await auditErrorOf(() => changed((rows) => void (rows.tide_bell = [])));
    expect(none.message).toContain('tide_bell');
    const wrong = await auditErrorOf(() => changed((rows) => void (rows.tide_bell![0]!.generation = 7)));
    expect(wrong.message).toContain('document: tide_bell.0.generation');
    expect(wrong.message).toContain('found 7');
  });
});
