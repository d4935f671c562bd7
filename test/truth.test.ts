import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { containsAnswer, normaliseAnswer, scoreAnswer } from '../src/truth.ts';
import { fixture } from './statistics-fixture.ts';

describe('TriviaQA’s normalisation', () => {
  test.each(fixture.normalise)('%j as in Python', (text, normal) => {
    expect(normaliseAnswer(text)).toBe(normal);
  });
  test.each(fixture.tokenF1)('F1 of %j and %j as in Python', (answer, gold, f1) => {
    expect(scoreAnswer(answer, { gold: [gold], wrong: 'zzz' }).tokenF1).toBeCloseTo(f1, 12);
  });
  test('once is enough', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...' aAthe.,-_–’`éÉİßΩ7') }), (text) => {
        expect(normaliseAnswer(normaliseAnswer(text))).toBe(normaliseAnswer(text));
      }),
    );
  });
});

describe('containment on word boundaries', () => {
  test.each([
    ['It is Paris, France.', 'Paris', true],
    ['Comparison', 'Paris', false],
    ['in the 1930s', '30s', false],
    ['the 30s', '30s', true],
    ['1939–1945', '1939', true],
    ['York.', 'New York', false],
    ['The Who', 'who', true],
    ['THE BEATLES', 'The Beatles!', true],
    ['Cafe\u0301 Noir', 'Café', true],
    ['Ålesunds', 'Ålesund', false],
    ['I said so. so', 'so so', true],
    ['a whole answer', 'The', false],
    ['The The', 'The The', true],
    ['C++', '++', true],
    ['C', '++', false],
    ['anything', '', false],
    ['', 'Paris', false],
    ['xParis Paris', 'Paris', true],
  ])('%j holds %j: %s', (answer, wanted, expected) => {
    expect(containsAnswer(answer, wanted)).toBe(expected);
  });
  test('an answer holds itself, and still does among other words', () => {
    const word = fc.string({ unit: fc.constantFrom('b', 'c', 'é', '7', 'Ω'), minLength: 1, maxLength: 6 });
    const words = fc.array(word, { minLength: 1, maxLength: 4 }).map((all) => all.join(' '));
    fc.assert(
      fc.property(words, words, words, (before, wanted, after) => {
        expect(containsAnswer(`${before}, the ${wanted}! ${after}`, wanted)).toBe(true);
        expect(containsAnswer(`${before}q${wanted}q${after}`, `q${wanted}`)).toBe(false);
      }),
    );
  });
});

describe('scoring an answer', () => {
  test('aliases count by default, not in the paper’s way', () => {
    expect(scoreAnswer('Big Apple', { gold: ['New York City', 'The Big Apple'], wrong: 'Boston' })).toEqual({
      label: 'correct',
      adopted: false,
      exactMatch: true,
      tokenF1: 1,
      paper: { correct: false, adopted: false },
    });
  });
  test('the paper matches inside words, the default does not', () => {
    expect(scoreAnswer('the 1930s', { gold: ['30s'], wrong: '40s' })).toEqual({
      label: 'incorrect',
      adopted: false,
      exactMatch: false,
      tokenF1: 0,
      paper: { correct: true, adopted: false },
    });
  });
  test('so with the wrong answer: a longer word adopts it in the paper’s way only', () => {
    expect(scoreAnswer('A Londoner', { gold: ['York'], wrong: 'London' })).toMatchObject({
      adopted: false,
      paper: { adopted: true },
    });
  });
  test('adoption stands beside correctness, not against it', () => {
    const verdict = scoreAnswer('Upton Sinclair, not Sinclair Lewis', {
      gold: ['Sinclair Lewis'],
      wrong: 'Upton Sinclair',
    });
    expect(verdict).toMatchObject({
      label: 'correct',
      adopted: true,
      exactMatch: false,
      paper: { correct: true, adopted: true },
    });
    expect(verdict.tokenF1).toBeCloseTo(4 / 7, 12);
  });
  test('nothing said is wrong and adopts nothing', () => {
    expect(scoreAnswer('', { gold: ['York'], wrong: 'London' })).toEqual({
      label: 'incorrect',
      adopted: false,
      exactMatch: false,
      tokenF1: 0,
      paper: { correct: false, adopted: false },
    });
  });
});
