import { expect, test } from 'vitest';
import { coherenceOf, isRepetitive } from '../src/coherence.ts';

test('an answer that goes round in circles is repetitive, in words or in characters', () => {
  expect(isRepetitive('the bell rings and '.repeat(6))).toBe(true);
  expect(isRepetitive('鐘が鳴る'.repeat(12))).toBe(true);
  expect(isRepetitive('no '.repeat(40))).toBe(true);
});

test('short answers, lists and ordinary prose are not', () => {
  expect(isRepetitive('no no no no no')).toBe(false);
  expect(isRepetitive('')).toBe(false);
  const prose =
    'The keeper of the tower rings the bell at dawn, and at dusk he lights a lamp for the boats below.';
  expect(isRepetitive(prose)).toBe(false);
  const list = Array.from(
    { length: 12 },
    (_, i) => `${i}. Take the rope and tie knot ${i + 20} at the ring.`,
  );
  expect(isRepetitive(list.join('\n'))).toBe(false);
});

test('the border is more than half of the sequences of four words', () => {
  const words = (n: number) => Array.from({ length: n }, (_, i) => `w${i}`);
  // 11 words twice: 19 sequences, 11 of them new.
  expect(isRepetitive([...words(11), ...words(11)].join(' '))).toBe(false);
  // 8 words three times: 21 sequences, 8 new.
  expect(isRepetitive([...words(8), ...words(8), ...words(8)].join(' '))).toBe(true);
});

test('what is broken is counted once in all', () => {
  const stop = 'stop' as const;
  const records = [
    { completion: ' ', finishReason: stop },
    { completion: 'round and round it '.repeat(9), finishReason: 'length' as const },
    { completion: 'A whole answer', finishReason: 'length' as const },
    { completion: 'A whole answer.', finishReason: stop },
  ];
  const facts = records.map(({ completion, finishReason }) => ({
    finishReason,
    answered: completion.trim() !== '',
    repetitive: isRepetitive(completion),
  }));
  expect(coherenceOf(facts)).toEqual({ completions: 4, empty: 1, repetitive: 1, any: 3 });
});
