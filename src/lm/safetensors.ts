import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { AuditError } from '../errors.ts';
import { writeFileAtomic } from '../files.ts';
import { bfloat16ToFloat, elementCount, floatToBfloat16, floatToHalf, halfToFloat } from '../onnx/tensor.ts';
import type { TensorEntry, TensorFile } from './model-folder.ts';

/** Source: github.com/huggingface/safetensors, "Format": 8 bytes of header length, a JSON header, the tensors' bytes. */

export type TensorDtype = 'F32' | 'F16' | 'BF16';

export interface TensorInfo extends TensorEntry {
  /** Bytes (U8) are the parts of quantised weights. */
  readonly dtype: TensorDtype | 'U8';
  readonly shape: readonly number[];
  /** First byte in the file. */
  readonly offset: number;
  readonly byteLength: number;
}

/** One open safetensors file: the header is in memory, tensors are read when asked for. */
export interface SafetensorsFile extends TensorFile {
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly metadata: Readonly<Record<string, string>>;
  /** One tensor, converted to float32. @throws AuditError `model` when the file became shorter. */
  read(name: string): Float32Array;
  /** One tensor's bytes. */
  readBytes(name: string): Uint8Array;
}

/** Values to write. */
export interface TensorData {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** Values to write that come into memory when it is their turn. */
export interface TensorSource {
  readonly dtype: TensorDtype;
  readonly shape: readonly number[];
  readonly read: () => Float32Array;
}

const bytesPerValue: Record<TensorInfo['dtype'], number> = { F32: 4, F16: 2, BF16: 2, U8: 1 };
/** As the reference implementation: a longer header is an attack or garbage. */
const largestHeader = 100_000_000;
/** Below the 2 GiB that one read call can move. */
const largestRead = 1 << 30;
/** Halves are converted while they are in the processor's cache. */
const valuesPerPiece = 1 << 17;

const downloadAgain = 'the file may be half-downloaded or damaged: fetch it again';

/**
 * Opens a safetensors file and checks its header against the file's length.
 * @throws AuditError `model` listing everything wrong with the header.
 */
export function openSafetensors(path: string): SafetensorsFile {
  const descriptor = openFile(path);
  try {
    const size = fstatSync(descriptor).size;
    const { tensors, metadata } = readHeader(path, descriptor, size);
    const infoOf = (name: string) => {
      const info = tensors.get(name);
      if (!info) throw new Error(`internal: no tensor ${name} in ${path}`);
      return info;
    };
    const readBytes = (name: string) => {
      const { byteLength, offset } = infoOf(name);
      const bytes = Buffer.allocUnsafeSlow(byteLength); // not zeroed, and with an ArrayBuffer of its own
      readExactly(path, descriptor, bytes, offset);
      return bytes;
    };
    return {
      path,
      tensors,
      metadata,
      read: (name) => readTensor(path, descriptor, infoOf(name)),
      readBytes,
      readStored: (name) => {
        const { dtype } = infoOf(name);
        if (dtype === 'U8') throw new Error(`internal: ${name} is a part of a quantised weight`);
        if (dtype === 'F32') return new Float32Array(readBytes(name).buffer);
        return { format: dtype === 'F16' ? 'f16' : 'bf16', data: new Uint16Array(readBytes(name).buffer) };
      },
      close: () => closeSync(descriptor),
    };
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

export function openFile(path: string): number {
  try {
    if (!statSync(path).isFile()) throw new Error('is not a file');
    return openSync(path, 'r');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new AuditError('model', `${path}: ${code === 'ENOENT' ? 'no such file' : message}`, {
      hint: downloadAgain,
      cause: error,
    });
  }
}

function readTensor(path: string, descriptor: number, info: TensorInfo): Float32Array {
  if (info.dtype === 'F32') {
    const bytes = Buffer.allocUnsafeSlow(info.byteLength); // not zeroed, and with an ArrayBuffer of its own
    readExactly(path, descriptor, bytes, info.offset);
    return new Float32Array(bytes.buffer);
  }
  if (info.dtype === 'U8') throw new Error('internal: bytes are no numbers');
  const convert = info.dtype === 'F16' ? halfToFloat : bfloat16ToFloat;
  const result = new Float32Array(info.byteLength / 2);
  const piece = new Uint16Array(Math.min(result.length, valuesPerPiece));
  for (let at = 0; at < result.length; at += piece.length) {
    const values = piece.subarray(0, result.length - at);
    const bytes = new Uint8Array(piece.buffer, 0, values.byteLength);
    readExactly(path, descriptor, bytes, info.offset + 2 * at);
    convert(values, result.subarray(at, at + values.length));
  }
  return result;
}

export function readExactly(path: string, descriptor: number, bytes: Uint8Array, position: number): void {
  for (let at = 0; at < bytes.length; ) {
    const count = readSync(descriptor, bytes, at, Math.min(bytes.length - at, largestRead), position + at);
    if (count === 0)
      throw new AuditError('model', `${path}: the file ends before byte ${position + bytes.length}`, {
        hint: downloadAgain,
      });
    at += count;
  }
}

function readHeader(
  path: string,
  descriptor: number,
  size: number,
): { tensors: Map<string, TensorInfo>; metadata: Record<string, string> } {
  const broken = (message: string, problems: string[] = []) =>
    new AuditError('model', `${path}: ${message}`, { problems, hint: downloadAgain });
  if (size < 8) throw broken(`${size} bytes are too few for a safetensors file`);
  const prefix = new Uint8Array(8);
  readExactly(path, descriptor, prefix, 0);
  if (Buffer.from(prefix).toString('latin1') === 'version ') {
    throw new AuditError('model', `${path}: is a Git LFS pointer, not the weights`, {
      hint: 'run git lfs pull in the model folder',
    });
  }
  const length = Number(new DataView(prefix.buffer).getBigUint64(0, true));
  if (length > size - 8)
    throw broken(`the header claims ${length} bytes, the file has ${size - 8} after its first 8`);
  if (length > largestHeader)
    throw broken(`a header of ${length} bytes is longer than the ${largestHeader} allowed`);
  const bytes = new Uint8Array(length);
  readExactly(path, descriptor, bytes, 8);
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw broken(`the header is not JSON: ${(error as Error).message}`);
  }
  if (header === null || typeof header !== 'object' || Array.isArray(header))
    throw broken('the header is not a JSON object');
  return checkHeader(header, 8 + length, size, broken);
}

function checkHeader(
  header: object,
  start: number,
  size: number,
  broken: (message: string, problems: string[]) => AuditError,
) {
  const tensors = new Map<string, TensorInfo>();
  const metadata: Record<string, string> = {};
  const problems: string[] = [];
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') {
      for (const [key, value] of Object.entries((entry as object | null) ?? {}))
        metadata[key] = String(value);
      continue;
    }
    const info = readEntry(entry, start);
    if (typeof info === 'string') problems.push(`${name}: ${info}`);
    else tensors.set(name, info);
  }
  if (problems.length === 0) problems.push(...checkLayout(tensors, start, size));
  if (problems.length > 0)
    throw broken(
      `the header is wrong in ${problems.length} place${problems.length === 1 ? '' : 's'}`,
      problems,
    );
  return { tensors, metadata };
}

/** One tensor's header entry, or what is wrong with it. */
function readEntry(entry: unknown, start: number): TensorInfo | string {
  if (entry === null || typeof entry !== 'object') return 'is not an object';
  const { dtype, shape, data_offsets: offsets } = entry as Record<string, unknown>;
  if (typeof dtype !== 'string' || !Object.hasOwn(bytesPerValue, dtype))
    return `dtype ${JSON.stringify(dtype)}; F32, F16, BF16 and U8 can be read`;
  if (!isNaturals(shape)) return `shape ${JSON.stringify(shape)} is not a list of sizes`;
  if (!isNaturals(offsets) || offsets.length !== 2)
    return `data_offsets ${JSON.stringify(offsets)} are not two byte positions`;
  const [begin, end] = offsets as [number, number];
  const byteLength = bytesPerValue[dtype as TensorInfo['dtype']] * elementCount(shape);
  if (end - begin !== byteLength)
    return `${dtype} of shape [${shape.join(', ')}] takes ${byteLength} bytes, data_offsets span ${end - begin}`;
  return { dtype: dtype as TensorInfo['dtype'], shape, offset: start + begin, byteLength };
}

const isNaturals = (value: unknown): value is readonly number[] =>
  Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);

/** The tensors must lie end to end and fill the file: no holes, no overlaps, nothing past the end. */
function checkLayout(tensors: ReadonlyMap<string, TensorInfo>, start: number, size: number): string[] {
  const problems: string[] = [];
  const ordered = [...tensors].sort(([, a], [, b]) => a.offset - b.offset || a.byteLength - b.byteLength);
  let at = start;
  for (const [name, info] of ordered) {
    const end = info.offset + info.byteLength;
    if (end > size) problems.push(`${name}: ends at byte ${end}, the file at ${size}`);
    else if (info.offset < at) problems.push(`${name}: overlaps the tensor before it`);
    else if (info.offset > at) problems.push(`${name}: ${info.offset - at} unused bytes before it`);
    at = Math.max(at, end);
  }
  if (problems.length === 0 && at < size)
    problems.push(`${size - at} bytes after the last tensor belong to none`);
  return problems;
}

/**
 * Writes a safetensors file, whole or not at all; `dtype` (F32 unless given) holds for every tensor.
 * @throws AuditError `disk` when there is no room or no permission.
 */
export function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, TensorData>,
  options: { readonly dtype?: TensorDtype; readonly metadata?: Readonly<Record<string, string>> } = {},
): void {
  const { dtype = 'F32', metadata } = options;
  const sources = [...tensors].map(
    ([name, tensor]) => [name, { dtype, shape: tensor.shape, read: () => tensor.data }] as const,
  );
  writeFileAtomic(path, encodeSafetensors(new Map(sources), metadata));
}

/** The bytes of a safetensors file, piece by piece: one tensor is in memory at a time. */
export function* encodeSafetensors(
  tensors: ReadonlyMap<string, TensorSource>,
  metadata: Readonly<Record<string, string>> = {},
): Iterable<Uint8Array> {
  const header: Record<string, unknown> = { __metadata__: { format: 'pt', ...metadata } };
  let at = 0;
  for (const [name, { dtype, shape }] of tensors)
    header[name] = { dtype, shape, data_offsets: [at, (at += elementCount(shape) * bytesPerValue[dtype])] };
  const json = Buffer.from(JSON.stringify(header));
  const padded = Math.ceil(json.length / 8) * 8; // so that the first tensor is aligned
  const head = Buffer.alloc(8 + padded, ' ');
  head.writeBigUInt64LE(BigInt(padded), 0);
  json.copy(head, 8);
  yield head;
  for (const [name, { dtype, shape, read }] of tensors) {
    const data = read();
    if (!isNaturals(shape) || elementCount(shape) !== data.length)
      throw new Error(`internal: ${name} has ${data.length} values, shape [${shape.join(', ')}]`);
    for (let from = 0; from < data.length; from += valuesPerPiece) {
      const piece = data.subarray(from, from + valuesPerPiece);
      const values = dtype === 'F32' ? piece : dtype === 'F16' ? floatToHalf(piece) : floatToBfloat16(piece);
      yield new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    }
  }
}
