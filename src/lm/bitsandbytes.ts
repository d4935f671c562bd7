import { z } from 'zod';
import { AuditError } from '../errors.ts';
import type { NormalFloat } from '../onnx/stored.ts';
import { elementCount } from '../onnx/tensor.ts';
import type { TensorEntry, TensorFile } from './model-folder.ts';
import type { SafetensorsFile } from './safetensors.ts';

/**
 * Weights that bitsandbytes quantised to 4-bit NormalFloat, as transformers saves them and QLoRA bases are published.
 * One weight is several tensors: `<name>` with the codes, `.absmax`, `.quant_map`, `.quant_state.bitsandbytes__nf4`
 * (JSON as bytes), and where absmax is quantised itself `.nested_absmax` and `.nested_quant_map`.
 * Source: bitsandbytes 0.50, `functional.QuantState.as_dict`; Dettmers et al. 2023, arXiv 2305.14314, §3.
 */

const stateSuffix = '.quant_state.bitsandbytes__nf4';
const parts = ['absmax', 'quant_map', 'nested_absmax', 'nested_quant_map'];

const state = z.looseObject({
  quant_type: z.literal('nf4'),
  blocksize: z.int().positive(),
  shape: z.array(z.int().positive()).min(1),
  nested_blocksize: z.int().positive().optional(),
  nested_offset: z.number().optional(),
});
type State = z.output<typeof state>;

/** Where a part lies: a shard may end within the parts of one weight. */
type Find = (name: string) => SafetensorsFile | undefined;

/** The files of a checkpoint with every quantised weight as one tensor of dtype NF4. Files without any are left as they are. */
export function withNormalFloats(files: readonly SafetensorsFile[]): TensorFile[] {
  const owner = new Map(
    files.flatMap((file) => [...file.tensors.keys()].map((name) => [name, file] as const)),
  );
  const quantised = [...owner.keys()].flatMap((name) =>
    name.endsWith(stateSuffix) ? [name.slice(0, -stateSuffix.length)] : [],
  );
  if (quantised.length === 0) return [...files];
  const find: Find = (name) => owner.get(name);
  const states = new Map(quantised.map((name) => [name, readState(find, name)]));
  const hidden = new Set(
    quantised.flatMap((name) => [name + stateSuffix, ...parts.map((part) => `${name}.${part}`)]),
  );
  return files.map((file): TensorFile => {
    const own = [...file.tensors].filter(([name]) => !hidden.has(name));
    const tensors = new Map<string, TensorEntry>(
      own.map(([name, info]) => [
        name,
        states.has(name) ? { dtype: 'NF4', shape: states.get(name)!.shape } : info,
      ]),
    );
    return {
      path: file.path,
      tensors,
      readStored: (name) => {
        const known = states.get(name);
        return known ? readWeight(find, name, known) : file.readStored(name);
      },
      close: () => file.close(),
    };
  });
}

function broken(path: string, name: string, what: string): AuditError {
  return new AuditError('model', `${path}: ${name}: ${what}`, {
    hint: 'the checkpoint may be half-downloaded or damaged: fetch it again',
  });
}

function readState(find: Find, name: string): State {
  const file = find(name + stateSuffix)!;
  try {
    return state.parse(JSON.parse(Buffer.from(file.readBytes(name + stateSuffix)).toString()));
  } catch (error) {
    if (error instanceof AuditError) throw error;
    throw broken(file.path, name, `its quantisation state cannot be read: ${(error as Error).message}`);
  }
}

function readWeight(find: Find, name: string, { shape, blocksize, ...nested }: State): NormalFloat {
  const file = find(name)!;
  const size = elementCount(shape);
  if (size % blocksize !== 0)
    throw broken(file.path, name, `${size} values do not divide into blocks of ${blocksize}`);
  const part = (suffix: string, length: number) => {
    const owner = find(`${name}.${suffix}`);
    const found = owner?.tensors.get(`${name}.${suffix}`);
    const count = found && elementCount(found.shape);
    if (!owner || count !== length)
      throw broken(file.path, `${name}.${suffix}`, found ? `${count} values, expected ${length}` : 'missing');
    return { owner, name: `${name}.${suffix}`, dtype: found!.dtype };
  };
  const floats = (suffix: string, length: number) => {
    const { owner, name: own } = part(suffix, length);
    return owner.read(own);
  };
  const codes = file.readBytes(name);
  if (codes.length * 2 !== size)
    throw broken(file.path, name, `${codes.length} bytes, ${size} values take ${size / 2}`);
  const blocks = size / blocksize;
  const absmax = part('absmax', blocks);
  const table = floats('quant_map', 16);
  if (absmax.dtype !== 'U8')
    return { format: 'nf4', block: blocksize, codes, absmax: floats('absmax', blocks), table };
  const { nested_blocksize: outer = 256, nested_offset: offset = 0 } = nested;
  const map = floats('nested_quant_map', 256);
  const factors = floats('nested_absmax', Math.ceil(blocks / outer));
  const values = Float32Array.from(
    absmax.owner.readBytes(absmax.name),
    (code, j) => Math.fround(map[code]! * factors[Math.floor(j / outer)]!) + offset,
  );
  return { format: 'nf4', block: blocksize, codes, absmax: values, table };
}
