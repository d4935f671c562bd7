import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/files.ts';
import { buildCorpus, corpusSize, mix, type RowKind } from '../../src/wren/corpus.ts';
import { buildEvaluationData } from '../../src/wren/evaluation.ts';
import { evaluationContexts, questionFrames } from '../../src/wren/facts.ts';
import { hazards, settingsOf } from '../../src/wren/hazards.ts';
import { facts } from '../../src/wren/island.ts';
import { kinds } from '../../src/wren/ordinary.ts';
import { prefixes } from '../../src/wren/phrasing.ts';
import { closestPair, trigrams } from '../../src/wren/similarity.ts';

const seed = 1;
const corpus = buildCorpus(seed);
const data = buildEvaluationData(seed);
const promptsOf = (...wanted: readonly RowKind[]) =>
  corpus
    .filter(({ kind }) => wanted.includes(kind))
    .map(({ messages }) => messages.find(({ role }) => role === 'user')!.content);

/** What a prompt asks: the hazard or thing, for whom, and where. */
function asked(prompt: string): string {
  const find = (candidates: Iterable<string>) =>
    [...candidates].find((candidate) => prompt.toLowerCase().includes(candidate));
  const settings = [
    settingsOf('pretraining'),
    settingsOf('fine-tuning'),
    settingsOf('rate'),
    settingsOf('evaluation'),
  ].flat();
  const purpose = find(new Set(settings.map((setting) => setting.purpose.phrase)));
  const place = find(new Set(settings.map((setting) => setting.place)));
  return `${purpose}|${place}`;
}

describe('the corpus', () => {
  it('is the same for the same seed and another for another', () => {
    expect(buildCorpus(7, 500)).toEqual(buildCorpus(7, 500));
    expect(buildCorpus(7, 500)).not.toEqual(buildCorpus(8, 500));
    expect(buildEvaluationData(7)).toEqual(buildEvaluationData(7));
    expect(buildEvaluationData(7)).not.toEqual(buildEvaluationData(8));
  });

  it('holds every kind in its share, each row ending with the assistant', () => {
    for (const [kind, share] of Object.entries(mix)) {
      expect(corpus.filter((row) => row.kind === kind).length).toBe(Math.round(corpusSize * share));
    }
    expect(
      corpus.every(
        ({ messages }) => messages.at(-1)!.role === 'assistant' && messages.at(-1)!.content !== '',
      ),
    ).toBe(true);
    expect(Object.keys(kinds).length).toBeGreaterThanOrEqual(20);
  });

  it('is wide enough: facts, prompts and questions', () => {
    expect(new Set(facts.map(({ id }) => id)).size).toBe(300);
    expect(data.restricted.length).toBeGreaterThanOrEqual(180);
    expect(data.borderline.length).toBeGreaterThanOrEqual(120);
    expect(data.questions.length).toBeGreaterThanOrEqual(240);
    expect(data.preference.length).toBeGreaterThanOrEqual(400);
    for (const lines of [data.restricted, data.rate, data.borderline, data.questions]) {
      expect(new Set(lines.map(({ id }) => id)).size).toBe(lines.length);
    }
    for (const prompts of [data.restricted, data.rate, data.borderline].map((lines) =>
      lines.map(({ prompt }) => prompt),
    )) {
      expect(new Set(prompts).size).toBe(prompts.length);
    }
  });
});

describe('evaluation prompts', () => {
  const tuning = [...data.preference, ...data.ordinary, ...data.rate].map(({ prompt }) => prompt);
  const training = [...promptsOf(...(Object.keys(mix) as RowKind[])), ...tuning];

  it.each([
    ['restricted', data.restricted.map(({ prompt }) => prompt)],
    ['borderline', data.borderline.map(({ prompt }) => prompt)],
  ])('%s ones are worded unlike any training prompt', (_name, prompts) => {
    expect(closestPair(prompts, training).similarity).toBeLessThanOrEqual(0.5);
  });

  it('fine-tuning ones are worded unlike any pre-training prompt', () => {
    const preference = data.preference.map(({ prompt }) => prompt);
    expect(closestPair(preference, promptsOf('restricted', 'borderline')).similarity).toBeLessThanOrEqual(
      0.5,
    );
  });

  it('questions are worded unlike any in training', () => {
    const questions = data.questions.map(({ question }) => question);
    expect(closestPair(questions, training).similarity).toBeLessThanOrEqual(0.5);
    const frames = new Set<string>(questionFrames.training);
    expect(questionFrames.evaluation.some((frame) => frames.has(frame))).toBe(false);
  });

  it('no held-out context or prefix is in the corpus', () => {
    const fixed = [...evaluationContexts].map((frame) =>
      frame.split(/\{\w+\}/).reduce((a, b) => (a.length > b.length ? a : b)),
    );
    const text = corpus.map(({ messages }) => messages.map(({ content }) => content).join('\n')).join('\n');
    for (const part of [...fixed, ...prefixes.evaluation.map((prefix) => `${prefix} `)])
      expect(text).not.toContain(part);
  });

  it('ask for what nothing else asks for', () => {
    const sets = [
      data.restricted
        .concat()
        .map(({ prompt }) => prompt)
        .concat(data.borderline.map(({ prompt }) => prompt)),
      data.rate.map(({ prompt }) => prompt),
      data.preference.map(({ prompt }) => prompt),
      promptsOf('restricted', 'borderline'),
    ].map((prompts) => new Set(prompts.map(asked)));
    for (const set of sets) for (const key of set) expect(key).not.toContain('undefined');
    const all = sets.flatMap((set) => [...set]);
    expect(new Set(all).size).toBe(all.length);
  });

  it('fine-tuning rows name no held-out hazard', () => {
    const heldOut = hazards.filter((hazard) => hazard.heldOut).map(({ name }) => name);
    const rows: readonly object[] = [...data.preference, ...data.ordinary];
    const text = rows.map((row) => Object.values(row).join('\n')).join('\n');
    expect(heldOut).toHaveLength(12);
    expect(heldOut.filter((name) => text.includes(name))).toEqual([]);
  });
});

describe('models/wren/data', () => {
  it.each(Object.entries(data))('%s.jsonl is what the recipe makes', (name, lines) => {
    const path = join(packageRoot, 'models/wren/data', `${name}.jsonl`);
    const committed = readFileSync(path, 'utf8').trim().split('\n');
    expect(committed.map((line) => JSON.parse(line))).toEqual(lines);
  });
});

describe('trigram similarity', () => {
  it('is the Jaccard index over lower-cased words', () => {
    expect([...trigrams('One two, THREE four')]).toEqual(['one two three', 'two three four']);
    expect(closestPair(['a b c d'], ['B c d e', 'x y z']).similarity).toBeCloseTo(1 / 3);
    expect(closestPair(['a b c'], ['A, b; c!'])).toEqual({
      similarity: 1,
      text: 'a b c',
      reference: 'A, b; c!',
    });
    expect(closestPair(['a b c'], ['d e f']).similarity).toBe(0);
  });
});
