import { type Emitter, floats, integers } from './emitter.ts';
import type { Value } from './graph.ts';
import type { Op } from './ops.ts';
import { dataTypeNumber, type NodeProto } from './proto.ts';

type DecodeOp = Extract<Op, { type: 'DecodeHalf' | 'DecodeBlocks' | 'DecodeNormalFloat' }>;

/** The two values of every byte that holds two codes: row b is [first, second], so that one Gather decodes a pair. */
const pairsOf = (meaning: (code: number) => number) =>
  Array.from({ length: 256 }, (_, byte) => [meaning(byte & 15), meaning(byte >> 4)]).flat();

/** bfloat16 → float32, or (code − zero) · scale, or table[code] · absmax: the forms of `stored.ts` in ONNX nodes. */
export function emitDecode(
  emitter: Emitter,
  value: Value,
  op: DecodeOp,
  inputs: readonly string[],
  output: string,
): void {
  const push = (
    opType: string,
    from: readonly string[],
    to: string,
    attributes: NodeProto['attributes'] = {},
  ) => {
    emitter.nodes.push({ opType, inputs: from, outputs: [to], attributes });
    return to;
  };
  const cast = (from: string, to: string, type: keyof typeof dataTypeNumber) =>
    push('Cast', [from], to, { to: dataTypeNumber[type] });
  if (op.type === 'DecodeHalf') {
    const to = op.format === 'f16' ? dataTypeNumber.float16 : 16; // bfloat16
    cast(push('BitCast', [inputs[0]!], `${output}.bits`, { to }), output, 'float32');
    return;
  }
  const [codes, scales] = inputs as [string, string];
  const rows = integers(emitter, [-1, op.block]);
  const gather = (table: string) =>
    push('Gather', [table, cast(codes, `${output}.index`, 'int32')], `${output}.pairs`);
  let unscaled: string;
  if (op.type === 'DecodeNormalFloat') unscaled = gather(inputs[2]!);
  else if (op.bits === 8) unscaled = cast(codes, `${output}.codes`, 'float32');
  else
    unscaled = gather(
      floats(
        emitter,
        'pairs.int4',
        [256, 2],
        pairsOf((code) => code),
      ),
    );
  let blocks = push('Reshape', [unscaled, rows], `${output}.blocks`);
  if (op.type === 'DecodeBlocks') {
    const middle = op.bits === 8 ? 128 : 8;
    const zeros = inputs[2] ?? floats(emitter, `middle.${middle}`, [], [middle]);
    blocks = push('Sub', [blocks, zeros], `${output}.centred`);
  }
  const scaled = push('Mul', [blocks, scales], `${output}.scaled`);
  push('Reshape', [scaled, integers(emitter, value.shape as number[])], output);
}
