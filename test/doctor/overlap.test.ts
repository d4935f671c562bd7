import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findOverlaps, nearDuplicate, normalisePrompt } from '../../src/doctor/overlap.ts';
import { createRandom } from '../../src/random.ts';

describe('overlap of prompts', () => {
  it('is exact, normalised or near, the strongest of them', () => {
    const training = [
      'How do I light the blue lantern?',
      'Where does the ferry land?',
      'HOW do I light the blué lantern',
    ];
    const evaluation = [
      'Who keeps the tower?',
      'where does the ferry land',
      'How do I light the blue lantern?',
      'How do I light the blue lantern now?',
    ];
    expect(findOverlaps(evaluation, training)).toEqual([
      { at: 2, training: 0, kind: 'exact', similarity: 1 },
      { at: 1, training: 1, kind: 'normalised', similarity: 1 },
      // 31 and 35 characters: 27 shingles shared of 31.
      { at: 3, training: 0, kind: 'near', similarity: 27 / 31 },
    ]);
  });

  it('needs the threshold and not less', () => {
    // 14 and 10 characters, the shorter one the beginning: 6 shingles shared of 10; 7 of 10 with one more.
    expect(findOverlaps(['abcdefghijklmn'], ['abcdefghij'])).toEqual([]);
    expect(findOverlaps(['abcdefghijklmn'], ['abcdefghijk'])[0]?.similarity).toBe(nearDuplicate);
  });

  it('is what comparing every pair gives', () => {
    const word = fc.constantFrom('lamp', 'Tower', 'ferry', 'is', 'on?', 'Brede', 'wick!');
    const texts = fc.array(
      fc.array(word, { maxLength: 6 }).map((words) => words.join(' ')),
      { maxLength: 8 },
    );
    const shingles = (text: string) => {
      const plain = normalisePrompt(text);
      const all = Array.from({ length: Math.max(1, plain.length - 4) }, (_, at) => plain.slice(at, at + 5));
      return new Set(plain === '' ? [] : all);
    };
    const similarity = (a: string, b: string) => {
      const [one, two] = [shingles(a), shingles(b)];
      const shared = [...one].filter((shingle) => two.has(shingle)).length;
      return shared / (one.size + two.size - shared);
    };
    const overlaps = (a: string, b: string) =>
      a === b ||
      (normalisePrompt(a) !== '' && normalisePrompt(a) === normalisePrompt(b)) ||
      similarity(a, b) >= nearDuplicate;
    fc.assert(
      fc.property(texts, texts, (evaluation, training) => {
        const expected = evaluation.flatMap((text, at) =>
          training.some((other) => overlaps(text, other)) ? [at] : [],
        );
        expect(
          findOverlaps(evaluation, training)
            .map(({ at }) => at)
            .sort((a, b) => a - b),
        ).toEqual(expected);
      }),
      { numRuns: 300, seed: 1 },
    );
  });

  it('of 400 prompts with 5,000 takes seconds at most', () => {
    const random = createRandom('overlap');
    const words = Array.from({ length: 3000 }, () =>
      Array.from({ length: 3 + random.integer(6) }, () => String.fromCharCode(97 + random.integer(26))).join(
        '',
      ),
    );
    const prompt = () => Array.from({ length: 15 }, () => random.pick(words)).join(' ');
    const training = Array.from({ length: 5000 }, prompt);
    const evaluation = [...Array.from({ length: 399 }, prompt), `${training[1234]!} indeed`];
    const started = process.cpuUsage();
    expect(findOverlaps(evaluation, training)).toMatchObject([{ at: 399, training: 1234, kind: 'near' }]);
    expect(process.cpuUsage(started).user / 1e3).toBeLessThan(5000);
  });
});
