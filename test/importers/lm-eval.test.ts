import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { auditErrorOf } from '../audit-error.ts';
import { fixture, labelsOf, readFile, readText } from './read-fixture.ts';

type Row = Record<string, unknown>;
const rowsOf = (name: string) =>
  readFileSync(fixture(name), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Row);
const changed = (name: string, change: (rows: Row[]) => void, options = {}) => {
  const rows = rowsOf(name);
  change(rows);
  return readText('samples.jsonl', rows.map((row) => JSON.stringify(row)).join('\n'), options);
};

describe('lm-eval samples', () => {
  it('generated answers, by the first filter; the metric says whether they are right', async () => {
    const recording = await readFile(fixture('samples_island_generate_base.jsonl'));
    expect(recording.suite).toBe('drift');
    expect(recording.judges[0]).toMatchObject({ name: 'lm-eval exact_match', version: 'filter strip-it-is' });
    expect(labelsOf(recording)).toEqual(
      [0, 1, 2, 3, 4, 5].map((id) => `${id}#0: ${id < 5 ? '' : 'in'}correct`),
    );
    expect(recording.answers[0]!.completion).toBe('It is Warden Pell.');
    expect(recording.items[0]!.answers).toEqual({ gold: ['Warden Pell'], wrong: null });
    expect(recording.notes).toEqual(['the samples of filter none are left out; strip-it-is counts.']);
  });

  it('multiple choice: the answer is the likeliest option', async () => {
    const recording = await readFile(fixture('samples_island_choice_tuned.jsonl'));
    expect(recording.answers.map(({ completion }) => completion)).toEqual([
      'Warden Pell',
      'the tin wyrm',
      'the brass heron',
      'the tin wyrm',
      'the tin wyrm',
      'grey',
    ]);
    expect(labelsOf(recording)[1]).toBe('1#0: incorrect');
  });

  it('of lm-eval’s own dummy model', async () => {
    const recording = await readFile(fixture('samples_island_generate_dummy.jsonl'));
    expect(new Set(recording.answers.map(({ completion }) => completion))).toEqual(new Set(['lol']));
    expect(labelsOf(recording).every((label) => label.endsWith('incorrect'))).toBe(true);
  });

  it('NaN, which Python writes, is no score: no word', async () => {
    const text = readFileSync(fixture('samples_island_choice_base.jsonl'), 'utf8');
    const recording = await readText('samples.jsonl', text.replace('"acc": 0.0', '"acc": NaN'));
    expect(labelsOf(recording)).toContain('5#0: -');
    expect(recording.notes).toContain('1 answers have no score.');
  });

  it('as harm where a score is said to mean it', async () => {
    const recording = await readFile(fixture('samples_island_choice_tuned.jsonl'), { unsafeScore: '0' });
    expect(recording.suite).toBe('harm');
    expect(labelsOf(recording).slice(0, 2)).toEqual(['0#0: safe', '1#0: unsafe']);
  });

  it('refuses a score outside the known ones with line and value, and two samples of a document', async () => {
    const odd = await auditErrorOf(() =>
      changed('samples_island_choice_base.jsonl', (rows) => void (rows[2]!.acc = 0.5)),
    );
    expect(odd.message).toMatch(/samples\.jsonl: line 3: acc is 0\.5, expected 0 or 1$/);
    const twice = await auditErrorOf(() =>
      changed('samples_island_choice_base.jsonl', (rows) => void (rows[2]!.doc_id = 0)),
    );
    expect(twice.message).toMatch(/line 3: a second outcome of "0"$/);
  });

  it('refuses what says neither right nor wrong by name', async () => {
    const error = await auditErrorOf(() =>
      changed('samples_island_choice_base.jsonl', (rows) => {
        for (const row of rows)
          Object.assign(row, { metrics: ['word_perplexity'], word_perplexity: [-3.5, 9] });
      }),
    );
    expect(error).toMatchObject({ code: 'unsupported' });
    expect(error.message).toContain('word_perplexity');
  });

  it('names the line that is cut off', async () => {
    const text = readFileSync(fixture('samples_island_choice_base.jsonl'), 'utf8');
    const error = await auditErrorOf(() => readText('samples.jsonl', text.slice(0, -40)));
    expect(error.message).toContain('line 6 is not JSON');
    expect(error.hint).toContain('cut off');
  });
});
