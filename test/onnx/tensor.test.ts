import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bfloat16ToFloat, floatToBfloat16, floatToHalf, halfToFloat } from '../../src/onnx/tensor.ts';

const half = (value: number) => floatToHalf(Float32Array.of(value))[0]!;
const bfloat16 = (value: number) => floatToBfloat16(Float32Array.of(value))[0]!;
const everyHalf = Uint16Array.from({ length: 65536 }, (_, bits) => bits);

/** The nearest of two neighbours, the even one in the middle. */
function nearest(value: number, below: number, above: number, belowIsEven: boolean): number {
  const left = Math.abs(value - below);
  const right = Math.abs(above - value);
  return left < right || (left === right && belowIsEven) ? below : above;
}

describe('binary16', () => {
  it.each([
    [0x0000, 0],
    [0x8000, -0],
    [0x0001, 2 ** -24],
    [0x03ff, 1023 * 2 ** -24],
    [0x0400, 2 ** -14],
    [0x3c00, 1],
    [0x3555, 0.333251953125],
    [0xc000, -2],
    [0x7bff, 65504],
    [0x7c00, Infinity],
    [0xfc00, -Infinity],
  ])('reads and writes %i as %f', (bits, value) => {
    expect(halfToFloat(Uint16Array.of(bits))[0]).toBe(value);
    expect(half(value)).toBe(bits);
  });

  it.each([
    ['ties to even, down', 1 + 2 ** -11, 0x3c00],
    ['ties to even, up', 1 + 3 * 2 ** -11, 0x3c02],
    ['just over a tie', 1 + 2 ** -11 + 2 ** -20, 0x3c01],
    ['carries into the exponent', 2 - 2 ** -11, 0x4000],
    ['the largest that stays finite', 65519.996, 0x7bff],
    ['overflow', 65520, 0x7c00],
    ['far overflow', -3e38, 0xfc00],
    ['half of the smallest subnormal', 2 ** -25, 0],
    ['just over it', 2 ** -25 * 1.001, 1],
    ['one and a half subnormals, to even', 1.5 * 2 ** -24, 2],
    ['two and a half subnormals, to even', 2.5 * 2 ** -24, 2],
    ['a subnormal that rounds up to normal', 2 ** -14 - 2 ** -26, 0x0400],
    ['a float32 subnormal', -1e-40, 0x8000],
  ])('rounds: %s', (_what, value, bits) => {
    expect(half(value)).toBe(bits);
  });

  it('is the identity on every one of the 65536 halves, NaN staying NaN', () => {
    const there = halfToFloat(everyHalf);
    const back = floatToHalf(there);
    const isNaNHalf = (bits: number) => (bits & 0x7c00) === 0x7c00 && (bits & 0x3ff) !== 0;
    const lost = [...everyHalf].filter((bits) =>
      isNaNHalf(bits) ? !isNaNHalf(back[bits]!) : back[bits] !== bits,
    );
    expect(lost).toEqual([]);
    expect([...everyHalf].filter((bits) => isNaNHalf(bits) !== Number.isNaN(there[bits]!))).toEqual([]);
  });

  it('rounds every float to the nearest half', () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true, min: -65000, max: 65000 }), (value) => {
        const bits = half(Math.abs(value));
        const [got, below, above] = halfToFloat(Uint16Array.of(bits, Math.max(0, bits - 1), bits + 1));
        const target = Math.abs(value);
        const expected =
          target < got!
            ? nearest(target, below!, got!, (bits & 1) === 1)
            : nearest(target, got!, above!, (bits & 1) === 0);
        expect(got).toBe(expected);
        expect(half(-Math.abs(value))).toBe(bits | 0x8000);
      }),
      { numRuns: 2000, seed: 1 },
    );
  });

  it('reads a slice of a larger array', () => {
    expect([...floatToHalf(Float32Array.of(9, 1, 2, 9).subarray(1, 3))]).toEqual([0x3c00, 0x4000]);
    expect([...halfToFloat(Uint16Array.of(0, 0x3c00, 0).subarray(1, 2))]).toEqual([1]);
  });
});

describe('bfloat16', () => {
  it.each([
    [0x0000, 0],
    [0x8000, -0],
    [0x0001, 2 ** -133],
    [0x3f80, 1],
    [0xc0a0, -5],
    [0x7f7f, 3.3895313892515355e38],
    [0x7f80, Infinity],
    [0xff80, -Infinity],
  ])('reads and writes %i as %f', (bits, value) => {
    expect(bfloat16ToFloat(Uint16Array.of(bits))[0]).toBe(value);
    expect(bfloat16(value)).toBe(bits);
  });

  it.each([
    ['ties to even, down', 1 + 2 ** -8, 0x3f80],
    ['ties to even, up', 1 + 3 * 2 ** -8, 0x3f82],
    ['just over a tie', 1 + 2 ** -8 + 2 ** -20, 0x3f81],
    ['overflow of the largest float', 3.4028234663852886e38, 0x7f80],
  ])('rounds: %s', (_what, value, bits) => {
    expect(bfloat16(value)).toBe(bits);
  });

  it('is the identity on every one of the 65536 values, NaN staying NaN', () => {
    const there = bfloat16ToFloat(everyHalf);
    const back = floatToBfloat16(there);
    const lost = [...everyHalf].filter((bits) =>
      Number.isNaN(there[bits]!)
        ? !Number.isNaN(bfloat16ToFloat(back.subarray(bits, bits + 1))[0]!)
        : back[bits] !== bits,
    );
    expect(lost).toEqual([]);
  });
});
