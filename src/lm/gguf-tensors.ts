import { closeSync } from 'node:fs';
import { decode, type Stored } from '../onnx/stored.ts';
import { elementCount } from '../onnx/tensor.ts';
import { ggufTypes } from './gguf-blocks.ts';
import type { GgufFile, GgufTensor } from './gguf-file.ts';
import type { TensorFile } from './model-folder.ts';
import { openFile, readExactly } from './safetensors.ts';

/** How llama.cpp's converter stores the tensors of an architecture. Source: gguf-py's `tensor_mapping.py`, `convert_hf_to_gguf.py`. */
export interface TensorLayout {
  /** Hugging Face's name of each part of a layer, by GGUF's. */
  readonly layer: Readonly<Record<string, string>>;
  /** Rows of queries and keys lie in pairs (i, i + h/2) of a head of h. */
  readonly interleaved: boolean;
  /** Norms are stored with 1 added. */
  readonly shiftedNorms: boolean;
}

/** Bytes read at once. */
const piece = 1 << 22;

const outside: Readonly<Record<string, string>> = {
  token_embd: 'model.embed_tokens',
  output_norm: 'model.norm',
  output: 'lm_head',
};
/** Tables of the rotary embedding, which belong to the config. */
const tables = /^rope_|\.attn_rot_embd\./;

/** Null for a table; a name that is not known is left as it is. */
function huggingFaceName(name: string, layout: TensorLayout): string | null {
  if (tables.test(name)) return null;
  const [, layer, part, kind] = name.match(/^(?:blk\.(\d+)\.)?(\w+)\.(weight|bias)$/) ?? [];
  const ours = layer === undefined ? outside[part ?? ''] : layout.layer[part ?? ''];
  if (ours === undefined) return name;
  return `${layer === undefined ? ours : `model.layers.${layer}.${ours}`}.${kind}`;
}

/** The weights by their Hugging Face names, one `TensorFile` for each part of the file. */
export function openGgufTensors(
  file: GgufFile,
  layout: TensorLayout,
  { heads, kvHeads }: { readonly heads: number; readonly kvHeads: number },
): TensorFile[] {
  const named = [...file.tensors].flatMap(([name, tensor]) => {
    const ours = huggingFaceName(name, layout);
    return ours === null ? [] : [[ours, tensor] as const];
  });
  return file.paths.map((path): TensorFile => {
    const tensors = new Map(named.filter(([, tensor]) => tensor.path === path));
    const descriptor = openFile(path);
    return {
      path,
      tensors,
      readStored: (name) => {
        const tensor = tensors.get(name);
        if (!tensor) throw new Error(`internal: no tensor ${name} in ${path}`);
        const [, , projection] = name.match(/^(.*\.)?(q_proj|k_proj)\.(weight|bias)$/) ?? [];
        const interleaved = layout.interleaved && projection !== undefined;
        const stored = readTensor(
          descriptor,
          tensor,
          interleaved ? (projection === 'q_proj' ? heads : kvHeads) : null,
        );
        const shifted = layout.shiftedNorms && name.endsWith('norm.weight');
        return shifted ? (stored as Float32Array).map((value) => value - 1) : stored;
      },
      close: () => closeSync(descriptor),
    };
  });
}

/** A vector of a closed file, in float32. */
export function readGgufVector(tensor: GgufTensor): Float32Array {
  const descriptor = openFile(tensor.path);
  try {
    return readTensor(descriptor, tensor, null) as Float32Array;
  } finally {
    closeSync(descriptor);
  }
}

/** @param heads how many heads have their rows interleaved; null: rows lie as they are. */
function readTensor(descriptor: number, tensor: GgufTensor, heads: number | null): Stored {
  const count = elementCount(tensor.shape);
  if (tensor.shape.length < 2) {
    const values = decode(
      readRows(descriptor, tensor, count, (row) => row),
      0,
      count,
    );
    const to = destination(count, heads);
    if (heads === null) return values;
    const sorted = new Float32Array(count);
    for (let i = 0; i < count; i++) sorted[to(i)] = values[i]!;
    return sorted;
  }
  const width = tensor.shape.at(-1)!;
  return readRows(descriptor, tensor, width, destination(count / width, heads));
}

/** Where a row belongs: row 2i + j of a head is the other layout's row j · h/2 + i. */
function destination(rows: number, heads: number | null): (row: number) => number {
  if (heads === null) return (row) => row;
  const size = rows / heads;
  return (row) => {
    const within = row % size;
    return row - within + (within & 1) * (size / 2) + (within >> 1);
  };
}

function readRows(
  descriptor: number,
  tensor: GgufTensor,
  width: number,
  to: (row: number) => number,
): Stored {
  const type = ggufTypes[tensor.dtype]!;
  const rowBytes = (width / type.values) * type.bytes;
  const rows = rowBytes === 0 ? 0 : tensor.byteLength / rowBytes;
  const stored = type.allocate(rows * width);
  const atOnce = Math.max(1, Math.floor(piece / rowBytes));
  const bytes = new Uint8Array(Math.min(rows, atOnce) * rowBytes);
  for (let first = 0; first < rows; first += atOnce) {
    const some = bytes.subarray(0, Math.min(atOnce, rows - first) * rowBytes);
    readExactly(tensor.path, descriptor, some, tensor.offset + first * rowBytes);
    for (let at = 0; at < some.length; at += rowBytes)
      type.decodeRow(some.subarray(at, at + rowBytes), stored, to(first + at / rowBytes) * width);
  }
  return stored;
}
