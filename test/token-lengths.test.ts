import fc from 'fast-check';
import { expect, test } from 'vitest';
import { tokenLengths } from '../src/token-lengths.ts';

const tokens = (...texts: string[]) => texts.map((text) => ({ text }));

test('gives every token its part of the completion', () => {
  expect(tokenLengths(tokens('The', ' lamp', ' is', ' lit', '.'), 'The lamp is lit.')).toEqual([
    3, 5, 3, 4, 1,
  ]);
});

test('leaves out the white space that a completion has lost at its beginning', () => {
  expect(tokenLengths(tokens('\n', ' The', ' lamp'), 'The lamp')).toEqual([0, 3, 5]);
});

test('says nothing where the tokens do not make up the text', () => {
  expect(tokenLengths(tokens('a', '\ufffd', '\ufffd'), 'aé')).toBeNull();
  expect(tokenLengths(tokens('not', ' this'), 'this')).toBeNull();
});

test('always adds up to the completion', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ maxLength: 6 }), { maxLength: 20 }), (texts) => {
      const completion = texts.join('').trimStart();
      const lengths = tokenLengths(tokens(...texts), completion);
      expect(lengths!.reduce((sum, length) => sum + length, 0)).toBe(completion.length);
    }),
    { seed: 7 },
  );
});
