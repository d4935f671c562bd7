import * as library from '@huggingface/jinja';

/** The parts of @huggingface/jinja that are used; its own declarations do not resolve in an ES module project. */

/** A value while a template runs. */
export interface Value {
  readonly type: string;
  readonly value: unknown;
  __bool__(): { readonly value: boolean };
}

/** A node of a parsed template. */
export interface Node {
  readonly type: string;
}

export interface Program extends Node {
  body: Node[];
}

/** The variables of a scope; what it lacks is looked up in its parent. */
export interface Scope {
  readonly variables: ReadonlyMap<string, Value>;
  /** Makes a value of anything plain: text, number, boolean, null, undefined, array, object or function of such. */
  set(name: string, plain: unknown): Value;
  setVariable(name: string, value: Value): Value;
}

interface Library {
  readonly Environment: new (parent?: Scope) => Scope;
  readonly Interpreter: new (
    scope: Scope,
  ) => {
    readonly global: Scope;
    run(program: Program): Value;
    evaluate(node: Node | undefined, scope: Scope): Value;
  };
  tokenize(source: string): readonly object[];
  parse(tokens: readonly object[]): Program;
}

export const { Environment, Interpreter, tokenize, parse } = library as unknown as Library;
