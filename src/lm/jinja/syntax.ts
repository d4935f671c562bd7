import { type Node, type Program, parse, tokenize, type Value } from './library.ts';

/** Templates as trees: the nodes of @huggingface/jinja's parser that are read here, and one of our own. */

const NodeClass = Object.getPrototypeOf(parse([]).constructor) as new () => Node;

/** The statements of a body as one: the library then hands bodies to `evaluate` too. */
export class Block extends NodeClass {
  override readonly type = 'Block';
  readonly statements: readonly Node[];
  constructor(statements: readonly Node[]) {
    super();
    this.statements = statements;
  }
}

export interface Named extends Node {
  readonly value: string;
}
export interface ValueNode extends Node {
  readonly value: Value;
}
export interface If extends Node {
  readonly test: Node;
  readonly body: Node[];
  readonly alternate: Node[];
}
export interface For extends Node {
  readonly loopvar: Node;
  readonly iterable: Node;
  readonly body: Node[];
  readonly defaultBlock: Node[];
}
export interface Macro extends Node {
  readonly name: Named;
}
export interface Call extends Node {
  readonly callee: Named;
  readonly args: Node[];
}
export interface CallStatement extends Node {
  readonly call: Call;
  readonly body: Node[];
}
export interface Binary extends Node {
  readonly operator: { readonly value: string };
  readonly left: Node;
  readonly right: Node;
}
export interface Member extends Node {
  readonly object: Node;
  readonly property: Node;
  readonly computed: boolean;
}
export interface Filtered extends Node {
  readonly operand: Node;
  readonly body: Node[];
  readonly filter: Node;
}
export interface Tested extends Node {
  readonly operand: Node;
  readonly negate: boolean;
  readonly test: Named;
}

/** The block that transformers' extension marks as written by the assistant, here a {% call %} of this name. */
export const generation = 'generation';

/**
 * Parses a template; white space as jinja2 with trim_blocks and lstrip_blocks has it.
 * @throws Error when it is not a template, or uses something the library has not.
 */
export function parseTemplate(source: string): Program {
  const text = source
    .replace(/\r\n?/g, '\n')
    .replace(/^[ \t]+(?=\{[%#](?!\+))/gm, '')
    .replace(/\{([%#])\+/g, '{$1')
    .replace(/(?<!\+)([%#]\})\n/g, '$1')
    .replace(/\+([%#]\})/g, '$1')
    .replace(/\{%(-?)\s*generation\s*(-?)%\}/g, `{%$1 call ${generation}() $2%}`)
    .replace(/\{%(-?)\s*endgeneration\s*(-?)%\}/g, '{%$1 endcall $2%}');
  const program = parse(tokenize(text));
  program.body = toBlock(program.body);
  return program;
}

function toBlock(statements: Node[]): Node[] {
  for (const statement of statements as (Node & Record<string, Node[]>)[]) {
    for (const field of ['body', 'alternate', 'defaultBlock'])
      if (Array.isArray(statement[field])) statement[field] = toBlock(statement[field]);
  }
  return statements.length === 0 ? [] : [new Block(statements)];
}
