/** Half-precision number formats to and from float32: round to nearest even, subnormals, infinities and NaN kept. */

/** How many values a tensor of this shape has. */
export const elementCount = (shape: readonly number[]): number =>
  shape.reduce((product, size) => product * size, 1);

let halfTable: Float32Array | undefined;

/** Every half as a float, indexed by its 16 bits: 256 KiB, made on first use. */
function halves(): Float32Array {
  if (halfTable) return halfTable;
  const bits = new Uint32Array(65536);
  const table = new Float32Array(bits.buffer);
  for (let half = 0; half < 65536; half++) {
    const sign = (half & 0x8000) << 16;
    const exponent = (half >>> 10) & 0x1f;
    const mantissa = half & 0x3ff;
    if (exponent === 0) {
      table[half] = (sign ? -1 : 1) * mantissa * 2 ** -24;
    } else {
      bits[half] = sign | (exponent === 31 ? 0x7f800000 : (exponent + 112) << 23) | (mantissa << 13);
    }
  }
  return (halfTable = table);
}

/** IEEE 754 binary16, given as bits, to float32: exact. @param result as long as `values`. */
export function halfToFloat(values: Uint16Array, result = new Float32Array(values.length)): Float32Array {
  const table = halves();
  for (let i = 0; i < values.length; i++) result[i] = table[values[i]!]!;
  return result;
}

/** Float32 to the bits of IEEE 754 binary16; from 65520 on the result is infinite. */
export function floatToHalf(values: Float32Array): Uint16Array {
  const bits = bitsOf(values);
  const result = new Uint16Array(bits.length);
  for (let i = 0; i < bits.length; i++) {
    const sign = (bits[i]! >>> 16) & 0x8000;
    const magnitude = bits[i]! & 0x7fffffff;
    result[i] = sign | halfMagnitude(magnitude);
  }
  return result;
}

function halfMagnitude(bits: number): number {
  if (bits > 0x7f800000) return 0x7e00 | ((bits >>> 13) & 0x3ff); // NaN stays NaN, and quiet
  if (bits >= 0x477ff000) return 0x7c00; // 65520, halfway past the largest half, and above
  if (bits >= 0x38800000) return (bits - 0x38000000 + 0xfff + ((bits >>> 13) & 1)) >>> 13; // 2⁻¹⁴: the smallest normal half
  if (bits < 0x33000000) return 0; // below 2⁻²⁵, half of the smallest subnormal
  const shift = 126 - (bits >>> 23); // 14 to 24
  const mantissa = (bits & 0x7fffff) | 0x800000;
  const kept = mantissa >>> shift;
  const rest = mantissa & ((1 << shift) - 1);
  const halfway = 1 << (shift - 1);
  return kept + (rest > halfway || (rest === halfway && (kept & 1) === 1) ? 1 : 0);
}

/** Bfloat16, given as bits, to float32: exact. @param result as long as `values`. */
export function bfloat16ToFloat(values: Uint16Array, result = new Float32Array(values.length)): Float32Array {
  const bits = bitsOf(result);
  for (let i = 0; i < values.length; i++) bits[i] = values[i]! << 16;
  return result;
}

/** Float32 to the bits of bfloat16. */
export function floatToBfloat16(values: Float32Array): Uint16Array {
  const bits = bitsOf(values);
  const result = new Uint16Array(bits.length);
  for (let i = 0; i < bits.length; i++) {
    const value = bits[i]!;
    const notANumber = (value & 0x7fffffff) > 0x7f800000;
    result[i] = notANumber ? (value >>> 16) | 0x40 : (value + 0x7fff + ((value >>> 16) & 1)) >>> 16;
  }
  return result;
}

function bitsOf(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length);
}
