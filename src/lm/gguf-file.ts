import { closeSync, existsSync, fstatSync } from 'node:fs';
import { GGMLQuantizationType, type GGUFTensorInfo, GGUFValueType, gguf } from '@huggingface/gguf';
import { AuditError } from '../errors.ts';
import { ggufParts } from '../files.ts';
import { elementCount } from '../onnx/tensor.ts';
import { ggufTypes } from './gguf-blocks.ts';
import { createMetadata, type GgufMetadata, type TypedValue } from './gguf-metadata.ts';
import type { TensorEntry } from './model-folder.ts';
import { openFile, readExactly } from './safetensors.ts';

/** Source: github.com/ggml-org/ggml, `docs/gguf.md`. */

export interface GgufTensor extends TensorEntry {
  /** The file it lies in. */
  readonly path: string;
  /** First byte in that file. */
  readonly offset: number;
  readonly byteLength: number;
}

/** The header of a GGUF file, or of all parts of a split one. */
export interface GgufFile {
  /** Of the first part. */
  readonly path: string;
  readonly paths: readonly string[];
  readonly metadata: GgufMetadata;
  /** By their GGUF names; shapes outermost dimension first. */
  readonly tensors: ReadonlyMap<string, GgufTensor>;
}

const downloadAgain = 'the file may be half-downloaded or damaged: fetch it again';
/** The shortest entry of a key (empty name, one byte) and of a tensor (empty name, no dimensions). */
const shortestEntry = { key: 13, tensor: 24 };
/** As the parser: what is longer cannot be read. */
const largestHeader = 50_000_000;
const tokensKey = 'tokenizer.ggml.tokens';

/**
 * Reads and checks the header of a GGUF file; `NAME-00001-of-0000N.gguf` stands for all its parts.
 * @throws AuditError `model` when a file is missing or damaged, `unsupported` naming every tensor that cannot be read.
 */
export async function openGgufFile(path: string): Promise<GgufFile> {
  const paths = partsOf(path);
  const parts: Part[] = [];
  for (const part of paths) parts.push(await readPart(part));
  const metadata = createMetadata(path, parts[0]!.entries);
  const count = metadata.number('split.count') ?? 1;
  if (count > 1 && count !== paths.length)
    throw new AuditError('model', `${path}: is one of ${count} parts, and its name does not say so`, {
      hint: `give the parts the names NAME-00001-of-${String(count).padStart(5, '0')}.gguf and so on`,
    });
  const tensors = new Map<string, GgufTensor>();
  const twice: string[] = [];
  for (const part of parts)
    for (const [name, tensor] of part.tensors) {
      if (tensors.has(name)) twice.push(`${name}: twice`);
      tensors.set(name, tensor);
    }
  if (twice.length > 0) throw broken(path, 'has tensors of equal names', twice);
  return { path, paths, metadata, tensors };
}

function partsOf(path: string): string[] {
  const paths = ggufParts(path);
  if (paths.length === 1) return paths;
  const place = paths.indexOf(path);
  if (place !== 0)
    throw new AuditError('model', `${path}: is part ${place + 1} of ${paths.length}`, {
      hint: `name the first one: ${paths[0]}`,
    });
  const missing = paths.filter((part) => !existsSync(part));
  if (missing.length > 0)
    throw new AuditError('model', `${path}: ${missing.length} of ${paths.length} parts are missing`, {
      problems: missing.slice(0, 10).map((part) => `${part}: no such file`),
      hint: 'put all parts into the same folder',
    });
  return paths;
}

interface Part {
  readonly entries: ReadonlyMap<string, TypedValue>;
  readonly tensors: readonly (readonly [string, GgufTensor])[];
}

const broken = (path: string, message: string, problems: string[] = [], cause?: unknown) =>
  new AuditError('model', `${path}: ${message}`, { problems, hint: downloadAgain, cause });

async function readPart(path: string): Promise<Part> {
  const descriptor = openFile(path);
  try {
    const size = fstatSync(descriptor).size;
    checkBeginning(path, descriptor, size);
    const parsed = await gguf(path, { typedMetadata: true, allowLocalFile: true }).catch((error: Error) => {
      throw broken(path, `the header cannot be read: ${error.message}`, [], error);
    });
    const [, headerEnd] = parsed.tensorInfoByteRange;
    // The parser reads zeros beyond the end.
    if (headerEnd > size) throw broken(path, `the header ends at byte ${headerEnd}, the file at ${size}`);
    const entries = new Map<string, TypedValue>(Object.entries(parsed.typedMetadata));
    const alignment = Number(entries.get('general.alignment')?.value ?? 32);
    if (!Number.isInteger(Math.log2(alignment)) || alignment > 1 << 20)
      throw broken(path, `general.alignment is ${alignment}, not a power of two up to 2^20`);
    if (entries.has(tokensKey)) {
      const value = readTokens(path, descriptor, headerEnd);
      entries.set(tokensKey, { value, type: GGUFValueType.ARRAY });
    }
    return {
      entries,
      tensors: checkTensors(path, parsed.tensorInfos, Number(parsed.tensorDataOffset), size),
    };
  } finally {
    closeSync(descriptor);
  }
}

/** The first 24 bytes: magic, version, counts that a file of this size can hold. */
function checkBeginning(path: string, descriptor: number, size: number): void {
  if (size < 24) throw broken(path, `${size} bytes are too few for a GGUF file`);
  const bytes = Buffer.alloc(24);
  readExactly(path, descriptor, bytes, 0);
  const magic = bytes.toString('latin1', 0, 8);
  if (magic === 'version ') {
    throw new AuditError('model', `${path}: is a Git LFS pointer, not the weights`, {
      hint: 'run git lfs pull in the model folder',
    });
  }
  if (!magic.startsWith('GGUF')) throw broken(path, 'does not begin as a GGUF file does');
  const version = bytes.readUInt32LE(4);
  if (version !== 2 && version !== 3) {
    const big = bytes.readUInt32BE(4);
    const what = big === 2 || big === 3 ? 'big-endian' : `of version ${version}`;
    throw new AuditError(
      'unsupported',
      `${path}: a GGUF file ${what}; supported: little-endian, versions 2 and 3`,
      {
        hint: 'convert the model again with a newer llama.cpp',
      },
    );
  }
  const tensors = Number(bytes.readBigUInt64LE(8));
  const keys = Number(bytes.readBigUInt64LE(16));
  if (tensors * shortestEntry.tensor + keys * shortestEntry.key > size)
    throw broken(path, `claims ${tensors} tensors and ${keys} keys, more than ${size} bytes can hold`);
}

/** The parser drops a byte-order mark at the beginning of a text, and Gemma has tokens with one: they are read again. */
function readTokens(path: string, descriptor: number, headerEnd: number): string[] {
  const header = Buffer.alloc(Math.min(headerEnd, largestHeader));
  readExactly(path, descriptor, header, 0);
  const key = Buffer.alloc(8 + tokensKey.length + 8);
  key.writeUInt32LE(tokensKey.length, 0);
  key.write(tokensKey, 8);
  key.writeUInt32LE(GGUFValueType.ARRAY, 8 + tokensKey.length);
  key.writeUInt32LE(GGUFValueType.STRING, 12 + tokensKey.length);
  const found = header.indexOf(key);
  if (found < 0) throw broken(path, `${tokensKey} is not a list of texts`);
  let at = found + key.length;
  const count = Number(header.readBigUInt64LE(at));
  at += 8;
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  return Array.from({ length: count }, () => {
    const start = at + 8;
    at = start + Number(header.readBigUInt64LE(at));
    return decoder.decode(header.subarray(start, at));
  });
}

function checkTensors(path: string, infos: readonly GGUFTensorInfo[], start: number, size: number) {
  const problems: string[] = [];
  const foreign: string[] = [];
  const tensors = infos.map((info): readonly [string, GgufTensor] => {
    const dtype = GGMLQuantizationType[info.dtype] ?? `type ${info.dtype}`;
    const shape = info.shape.map(Number).reverse();
    const offset = start + Number(info.offset);
    const type = ggufTypes[dtype];
    if (!type) {
      foreign.push(`${info.name}: ${dtype}`);
      return [info.name, { path, dtype, shape, offset, byteLength: 0 }];
    }
    const byteLength = (elementCount(shape) / type.values) * type.bytes;
    if ((shape.at(-1) ?? 1) % type.values !== 0)
      problems.push(`${info.name}: rows of ${shape.at(-1)} are no whole ${dtype} blocks of ${type.values}`);
    else if (offset + byteLength > size)
      problems.push(`${info.name}: ends at byte ${offset + byteLength}, the file at ${size}`);
    return [info.name, { path, dtype, shape, offset, byteLength }];
  });
  if (problems.length > 0)
    throw broken(path, `${problems.length} tensors are not as the header says`, problems);
  if (foreign.length > 0)
    throw new AuditError(
      'unsupported',
      `${path}: ${foreign.length} tensors are in formats that are not read`,
      {
        problems:
          foreign.length > 10 ? [...foreign.slice(0, 10), `and ${foreign.length - 10} more`] : foreign,
        hint: `choose a file with weights in ${Object.keys(ggufTypes).join(', ')}`,
      },
    );
  return tensors;
}
