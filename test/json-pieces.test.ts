import fc from 'fast-check';
import { expect, test } from 'vitest';
import { jsonPieces } from '../src/json-pieces.ts';

const whole = (value: object) => Buffer.concat([...jsonPieces(value)]).toString('utf8');

test('the pieces are the text that JSON.stringify makes', () => {
  fc.assert(
    fc.property(fc.object({ withNullPrototype: false, maxDepth: 6 }), (value) => {
      expect(whole(value)).toBe(JSON.stringify(value));
    }),
  );
  const value = { a: undefined, b: [undefined, [], {}, [[[[['é', { c: undefined }]]]]]], n: Number.NaN };
  expect(whole(value)).toBe(JSON.stringify(value));
});

test('a long list comes in many pieces', () => {
  const items = Array.from({ length: 20_000 }, (_, id) => ({ id, text: 'lantern' }));
  const pieces = [...jsonPieces({ suites: [{ items }] })];
  expect(pieces.length).toBeGreaterThan(5);
  expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThan(100_000);
});
