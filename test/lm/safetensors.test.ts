import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { AuditError } from '../../src/errors.ts';
import { openSafetensors, type TensorData, writeSafetensors } from '../../src/lm/safetensors.ts';

const folder = mkdtempSync(join(tmpdir(), 'aftertune-safetensors-'));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, 'tensors.safetensors');

const tensors = new Map<string, TensorData>([
  ['matrix', { shape: [2, 3], data: Float32Array.of(1, -2, 0.5, 65504, 0, 3) }],
  ['scalar', { shape: [], data: Float32Array.of(-0.25) }],
  ['empty', { shape: [0, 4], data: new Float32Array(0) }],
]);

/** A file with this header (text or value) and this many bytes of data. */
function put(header: unknown, dataBytes: number, claimedLength?: number): void {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(claimedLength ?? json.length));
  writeFileSync(path, Buffer.concat([length, json, Buffer.alloc(dataBytes)]));
}

/** What opening the file says, in one text; `opened` when nothing. */
function complaint(): string {
  try {
    openSafetensors(path).close();
    return 'opened';
  } catch (error) {
    if (!(error instanceof AuditError) || error.code !== 'model' || !error.hint) throw error;
    return [error.message.replace(path, ''), ...error.problems].join('\n');
  }
}

describe('writing and reading', () => {
  it.each(['F32', 'F16', 'BF16'] as const)('gives %s values back', (dtype) => {
    writeSafetensors(path, tensors, { dtype, metadata: { maker: 'test' } });
    const file = openSafetensors(path);
    expect(file.metadata).toEqual({ format: 'pt', maker: 'test' });
    const exact = dtype !== 'BF16';
    for (const [name, { shape, data }] of tensors) {
      expect(file.tensors.get(name)).toMatchObject({ dtype, shape });
      expect(file.read(name)).toEqual(exact ? data : data.map((value) => (value === 65504 ? 65536 : value)));
    }
    file.close();
    expect(readdirSync(folder)).toEqual(['tensors.safetensors']);
  });

  it('reads halves of more than one piece', () => {
    const data = Float32Array.from({ length: 300_001 }, (_, i) => i % 2048);
    writeSafetensors(path, new Map([['long', { shape: [300_001], data }]]), { dtype: 'F16' });
    const file = openSafetensors(path);
    const read = file.read('long');
    file.close();
    expect(read.length).toBe(data.length);
    expect(read.findIndex((value, i) => value !== data[i])).toBe(-1);
  });

  it('starts the data at a multiple of eight bytes', () => {
    writeSafetensors(path, tensors);
    expect(openSafetensors(path).tensors.get('matrix')!.offset % 8).toBe(0);
  });

  it('leaves the older file and no other when writing fails half-way', () => {
    writeSafetensors(path, tensors);
    const before = readFileSync(path);
    const late = {
      shape: [1],
      get data(): Float32Array {
        throw new Error('no');
      },
    };
    const broken = new Map<string, TensorData>([...tensors, ['late', late]]);
    expect(() => writeSafetensors(path, broken)).toThrow('no');
    expect(readFileSync(path).equals(before)).toBe(true);
    expect(readdirSync(folder)).toEqual(['tensors.safetensors']);
  });

  it('says when the file became shorter after it was opened', () => {
    writeSafetensors(path, tensors);
    const file = openSafetensors(path);
    truncateSync(path, file.tensors.get('matrix')!.offset + 4);
    expect(() => file.read('matrix')).toThrow(AuditError);
    file.close();
  });
});

describe('a header that lies', () => {
  const f32 = (shape: number[], begin: number, end: number) => ({
    dtype: 'F32',
    shape,
    data_offsets: [begin, end],
  });

  it.each<[string, unknown, number, string]>([
    [
      'dtype unknown',
      { a: { dtype: 'F8_E4M3', shape: [4], data_offsets: [0, 4] } },
      4,
      'a: dtype "F8_E4M3"; F32, F16, BF16 and U8 can be read',
    ],
    [
      'dtype of Object',
      { a: { dtype: 'constructor', shape: [4], data_offsets: [0, 4] } },
      4,
      'a: dtype "constructor"',
    ],
    ['no dtype', { a: { shape: [1], data_offsets: [0, 4] } }, 4, 'a: dtype undefined'],
    ['wrong byte count', { a: f32([2], 0, 4) }, 4, 'a: F32 of shape [2] takes 8 bytes, data_offsets span 4'],
    ['past the end', { a: f32([2], 0, 8) }, 4, 'a: ends at byte'],
    ['negative offset', { a: f32([1], -4, 0) }, 4, 'a: data_offsets [-4,0] are not two byte positions'],
    ['backwards', { a: f32([1], 4, 0) }, 4, 'a: F32 of shape [1] takes 4 bytes, data_offsets span -4'],
    ['fractional shape', { a: f32([0.5], 0, 2) }, 2, 'a: shape [0.5] is not a list of sizes'],
    ['shape overflow', { a: f32([2 ** 40, 2 ** 40], 0, 4) }, 4, 'a: F32 of shape'],
    ['overlap', { a: f32([2], 0, 8), b: f32([2], 4, 12) }, 12, 'b: overlaps the tensor before it'],
    ['hole', { a: f32([1], 0, 4), b: f32([1], 8, 12) }, 12, 'b: 4 unused bytes before it'],
    ['bytes left over', { a: f32([1], 0, 4) }, 12, '8 bytes after the last tensor belong to none'],
    ['entry is null', { a: null }, 0, 'a: is not an object'],
    ['a list', [], 0, 'the header is not a JSON object'],
    ['null', 'null', 0, 'the header is not a JSON object'],
    ['not JSON', '{"a": {"dtype"', 0, 'the header is not JSON'],
  ])('%s', (_what, header, bytes, message) => {
    put(header, bytes);
    expect(complaint()).toContain(message);
  });

  it('lists every problem at once', () => {
    put({ a: f32([2], 0, 4), b: { dtype: 'I64', shape: [1], data_offsets: [4, 12] } }, 12);
    expect(complaint().split('\n')).toEqual([
      ': the header is wrong in 2 places',
      'a: F32 of shape [2] takes 8 bytes, data_offsets span 4',
      'b: dtype "I64"; F32, F16, BF16 and U8 can be read',
    ]);
  });

  it('claims more than the file holds', () => {
    put('{}', 0, 1000);
    expect(complaint()).toBe(': the header claims 1000 bytes, the file has 2 after its first 8');
    put('{}', 0, Number.MAX_SAFE_INTEGER);
    expect(complaint()).toContain('the header claims');
  });

  it('is cut off, empty, missing, a folder or a Git LFS pointer', () => {
    writeFileSync(path, Buffer.alloc(5));
    expect(complaint()).toBe(': 5 bytes are too few for a safetensors file');
    writeFileSync(path, 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n');
    expect(complaint()).toContain('Git LFS pointer');
    expect(() => openSafetensors(join(folder, 'none'))).toThrow('no such file');
    expect(() => openSafetensors(folder)).toThrow(AuditError);
  });
});

describe('any bytes at all', () => {
  const settings = { numRuns: 250, seed: 1 };
  /** Opens and reads everything; only an AuditError may come out. */
  const survive = () => {
    if (complaint() !== 'opened') return;
    const file = openSafetensors(path);
    for (const [name, info] of file.tensors) {
      expect(file.read(name).length).toBe(info.shape.reduce((product, size) => product * size, 1));
    }
    file.close();
  };

  it('random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        writeFileSync(path, bytes);
        survive();
      }),
      settings,
    );
  });

  it('a random JSON header', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.nat(64), (header, bytes) => {
        put(header, bytes);
        survive();
      }),
      settings,
    );
  });

  it('headers that are nearly right', () => {
    const number = fc.oneof(fc.nat(16), fc.integer(), fc.double(), fc.constant(2 ** 53), fc.constant(null));
    const entry = fc.record(
      {
        dtype: fc.oneof(fc.constantFrom('F32', 'F16', 'BF16', 'I64', '__proto__'), fc.string()),
        shape: fc.oneof(fc.array(fc.nat(3), { maxLength: 3 }), fc.array(number, { maxLength: 3 })),
        data_offsets: fc.oneof(fc.tuple(fc.nat(24), fc.nat(24)), fc.array(number, { maxLength: 3 })),
      },
      { requiredKeys: [] },
    );
    const name = fc.oneof(fc.constantFrom('a', 'b', '__proto__', '__metadata__', 'constructor'), fc.string());
    fc.assert(
      fc.property(fc.dictionary(name, entry, { maxKeys: 3 }), fc.nat(48), (header, bytes) => {
        put(header, bytes);
        survive();
      }),
      settings,
    );
  });

  it('a right file with one byte changed, or cut anywhere', () => {
    writeSafetensors(path, tensors);
    const whole = readFileSync(path);
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), fc.boolean(), (at, byte, cut) => {
        const bytes = Buffer.from(cut ? whole.subarray(0, at) : whole);
        if (!cut) bytes[at] = byte;
        writeFileSync(path, bytes);
        survive();
        if (cut) expect(complaint()).not.toBe('opened');
      }),
      settings,
    );
  });
});
