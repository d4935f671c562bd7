/**
 * Writes an ONNX ModelProto: only the messages that a graph builder needs.
 * Source: onnx.proto3 (ONNX IR version 12), https://github.com/onnx/onnx; wire format of Protocol Buffers.
 */

/** TensorProto.DataType numbers. */
export const dataTypeNumber = {
  float32: 1,
  uint8: 2,
  uint16: 4,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
} as const;
export type DataType = keyof typeof dataTypeNumber;

/** A number is written as an ONNX int; wrap it as `{ float }` for a float attribute. */
export type Attribute = number | string | readonly number[] | { readonly float: number };

export interface NodeProto {
  readonly opType: string;
  readonly domain?: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, Attribute>>;
}

export interface ValueProto {
  readonly name: string;
  readonly dataType: DataType;
  /** A string names a dimension that is known only when the graph runs. */
  readonly shape: readonly (number | string)[];
}

export interface ConstantProto {
  readonly name: string;
  readonly dataType: DataType;
  readonly shape: readonly number[];
  readonly data: Float32Array | BigInt64Array | Int32Array | Uint8Array | Uint16Array;
}

export interface GraphProto {
  readonly nodes: readonly NodeProto[];
  readonly constants: readonly ConstantProto[];
  readonly inputs: readonly ValueProto[];
  readonly outputs: readonly ValueProto[];
}

/** Length-delimited fields nest, so a message is a list of chunks whose total length is known. */
class Message {
  private readonly chunks: Uint8Array[] = [];
  private length = 0;

  private push(bytes: Uint8Array): void {
    this.chunks.push(bytes);
    this.length += bytes.length;
  }

  private varint(value: number | bigint): void {
    let rest = BigInt.asUintN(64, BigInt(value));
    const bytes: number[] = [];
    while (rest > 127n) {
      bytes.push(Number(rest & 127n) | 128);
      rest >>= 7n;
    }
    bytes.push(Number(rest));
    this.push(Uint8Array.from(bytes));
  }

  int(field: number, value: number | bigint): this {
    this.varint(field << 3);
    this.varint(value);
    return this;
  }

  float(field: number, value: number): this {
    this.varint((field << 3) | 5);
    this.push(new Uint8Array(Float32Array.of(value).buffer));
    return this;
  }

  bytes(field: number, value: Uint8Array): this {
    this.varint((field << 3) | 2);
    this.varint(value.length);
    this.push(value);
    return this;
  }

  text(field: number, value: string): this {
    return this.bytes(field, Buffer.from(value));
  }

  message(field: number, value: Message): this {
    this.varint((field << 3) | 2);
    this.varint(value.length);
    for (const chunk of value.chunks) this.push(chunk);
    return this;
  }

  finish(): Uint8Array {
    return Buffer.concat(this.chunks, this.length);
  }
}

function encodeAttribute(name: string, value: Attribute): Message {
  const message = new Message().text(1, name);
  if (typeof value === 'string') return message.text(4, value).int(20, 3);
  if (typeof value === 'number') return message.int(3, value).int(20, 2);
  if ('float' in value) return message.float(2, value.float).int(20, 1);
  for (const entry of value) message.int(8, entry);
  return message.int(20, 7);
}

function encodeNode(node: NodeProto): Message {
  const message = new Message();
  for (const input of node.inputs) message.text(1, input);
  for (const output of node.outputs) message.text(2, output);
  message.text(3, node.outputs[0] ?? '').text(4, node.opType);
  for (const [name, value] of Object.entries(node.attributes ?? {}))
    message.message(5, encodeAttribute(name, value));
  if (node.domain) message.text(7, node.domain);
  return message;
}

function encodeValue(value: ValueProto): Message {
  const shape = new Message();
  for (const dimension of value.shape) {
    const entry =
      typeof dimension === 'string' ? new Message().text(2, dimension) : new Message().int(1, dimension);
    shape.message(1, entry);
  }
  const tensor = new Message().int(1, dataTypeNumber[value.dataType]).message(2, shape);
  return new Message().text(1, value.name).message(2, new Message().message(1, tensor));
}

function encodeConstant(constant: ConstantProto): Message {
  const message = new Message();
  for (const dimension of constant.shape) message.int(1, dimension);
  const { buffer, byteOffset, byteLength } = constant.data;
  return message
    .int(2, dataTypeNumber[constant.dataType])
    .text(8, constant.name)
    .bytes(9, new Uint8Array(buffer, byteOffset, byteLength));
}

const operatorSet = (domain: string, version: number) => new Message().text(1, domain).int(2, version);

/** The bytes of an ONNX model: IR version 12, operator set 26, with Microsoft's contributed operators. */
export function encodeModel(graph: GraphProto): Uint8Array {
  const body = new Message();
  for (const node of graph.nodes) body.message(1, encodeNode(node));
  body.text(2, 'aftertune');
  for (const constant of graph.constants) body.message(5, encodeConstant(constant));
  for (const input of graph.inputs) body.message(11, encodeValue(input));
  for (const output of graph.outputs) body.message(12, encodeValue(output));
  return new Message()
    .int(1, 12)
    .text(2, 'aftertune')
    .message(7, body)
    .message(8, operatorSet('', 26))
    .message(8, operatorSet('com.microsoft', 1))
    .finish();
}
