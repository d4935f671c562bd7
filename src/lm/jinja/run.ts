import { type Arguments, filters, tests } from './filters.ts';
import { Environment, Interpreter, type Node, type Program, type Scope, type Value } from './library.ts';
import { loopVariable, scopeWith } from './loop.ts';
import {
  BooleanValue,
  contains,
  elements,
  equals,
  FunctionValue,
  formatPercent,
  isArray,
  isText,
  isTrue,
  isUndefined,
  refuseLarge,
  StringValue,
  str,
  stringMethods,
  toValue,
} from './python.ts';
import {
  type Binary,
  type Block,
  type Call,
  type CallStatement,
  type Filtered,
  type For,
  generation,
  type If,
  type Macro,
  type Member,
  type Named,
  type Tested,
  type ValueNode,
} from './syntax.ts';

/**
 * Jinja as transformers sets it up, on @huggingface/jinja's parser and expressions. Own are the statements (text
 * written before {% break %} is kept, a loop's variables live for one round, {% generation %} is marked) and what
 * `python.ts` and `filters.ts` do otherwise.
 * Source: transformers `chat_template_utils._compile_jinja_template`; jinja2's template documentation.
 */

const valueNode = (value: Value): ValueNode => ({ type: 'Value', value });
const emptyText = new StringValue('');
const silent = new Set(['Set', 'Macro', 'Comment', 'Break', 'Continue']);

/** One run of a template: the text is `run(program)`'s value. */
export class TemplateRun extends Interpreter {
  /** Where {% generation %} blocks stand in the text, as [start, end), in the order they were written. */
  readonly generated: [start: number, end: number][] = [];
  /** Characters of the text so far; what macros, calls and set blocks gather is not yet part of it. */
  #written = 0;
  #gathering = 0;
  #leaving: 'Break' | 'Continue' | null = null;

  override run(program: Program): Value {
    const text = super.run(program);
    if (this.#leaving) throw new Error('break or continue stands outside of a loop');
    return text;
  }

  override evaluate(statement: Node | undefined, environment: Scope): Value {
    const value = this.#evaluate(statement, environment);
    if (isText(value) || isArray(value)) refuseLarge(value.value.length);
    return value;
  }

  #evaluate(statement: Node | undefined, environment: Scope): Value {
    switch (statement?.type) {
      case 'Value':
        return (statement as ValueNode).value;
      case 'Block':
        return this.#block(statement as Block, environment);
      case 'If': {
        const { test, body, alternate } = statement as If;
        return this.#body(isTrue(this.#gather(test, environment)) ? body : alternate, environment);
      }
      case 'For':
        return this.#loop(statement as For, environment);
      case 'Break':
      case 'Continue':
        this.#leaving = statement.type;
        return emptyText;
      case 'Macro':
        return this.#macro(statement as Macro, environment);
      case 'CallStatement':
        return this.#call(statement as CallStatement, environment);
      case 'BinaryExpression':
        return this.#binary(statement as Binary, environment);
      case 'MemberExpression':
        return this.#member(statement as Member, environment);
      case 'FilterExpression':
      case 'FilterStatement':
        return this.#filtered(statement as Filtered, environment);
      case 'TestExpression': {
        const { operand, negate, test } = statement as Tested;
        return new BooleanValue(this.#test(this.evaluate(operand, environment), test.value) !== negate);
      }
      default:
        return super.evaluate(statement, environment);
    }
  }

  #body([block]: readonly Node[], environment: Scope): Value {
    return block ? this.evaluate(block, environment) : emptyText;
  }

  /** A value that is not text of the template yet. */
  #gather(statement: Node, environment: Scope): Value {
    this.#gathering++;
    const value = this.evaluate(statement, environment);
    this.#gathering--;
    return value;
  }

  #block({ statements }: Block, environment: Scope): Value {
    let text = '';
    for (const statement of statements) {
      if (statement.type === 'If' || statement.type === 'For') {
        text += str(this.evaluate(statement, environment));
      } else {
        const value = this.#gather(statement, environment);
        const piece = silent.has(statement.type) ? '' : str(value);
        if (this.#gathering === 0) this.#written += piece.length;
        text += piece;
      }
      refuseLarge(text.length);
      if (this.#leaving) break;
    }
    return new StringValue(text);
  }

  #loop({ loopvar, iterable, body, defaultBlock }: For, environment: Scope): Value {
    const { lhs, test } = (iterable.type === 'SelectExpression' ? iterable : { lhs: iterable }) as {
      lhs: Node;
      test?: Node;
    };
    const all = elements(this.#gather(lhs, environment));
    const items = test
      ? all.filter((item) => isTrue(this.#gather(test, scopeWith(loopvar, item, environment))))
      : all;
    let text = '';
    let whole = false;
    for (const at of items.keys()) {
      const scope = scopeWith(loopvar, items[at]!, environment);
      scope.setVariable('loop', loopVariable(items, at));
      text += str(this.#body(body, scope));
      const left = this.#leaving;
      this.#leaving = null;
      if (left === 'Break') break;
      whole ||= left === null;
    }
    // As in jinja2, where a round that is left early does not count.
    if (!whole) text += str(this.#body(defaultBlock, environment));
    return new StringValue(text);
  }

  /** A macro sees what its definition saw, not what its caller does, but for `caller`. */
  #macro(statement: Macro, environment: Scope): Value {
    const done = super.evaluate(statement, environment);
    const name = statement.name.value;
    const made = environment.variables.get(name)!.value as (args: Value[], scope: Scope) => Value;
    const call = (args: Value[], callers: Scope) => {
      const scope = new Environment(environment);
      const caller = callers.variables.get('caller');
      if (caller) scope.setVariable('caller', caller);
      return made(args, scope);
    };
    environment.setVariable(name, new FunctionValue(call));
    return done;
  }

  #call(statement: CallStatement, environment: Scope): Value {
    if (statement.call.callee.value !== generation) return super.evaluate(statement, environment);
    const start = this.#written;
    const text = this.#body(statement.body, new Environment(environment));
    this.generated.push([start, start + str(text).length]);
    return text;
  }

  #binary(node: Binary, environment: Scope): Value {
    const operator = node.operator.value;
    if (operator === 'and' || operator === 'or') return super.evaluate(node, environment);
    const left = this.evaluate(node.left, environment);
    const right = this.evaluate(node.right, environment);
    if (operator === '==' || operator === '!=')
      return new BooleanValue(equals(left, right) === (operator === '=='));
    if (operator === 'in' || operator === 'not in')
      return new BooleanValue(contains(right, left) === (operator === 'in'));
    if (operator === '~') return new StringValue(str(left) + str(right));
    if (operator === '%' && isText(left)) return new StringValue(formatPercent(left.value, right));
    if (operator === '%' && typeof left.value === 'number' && Number(right.value) !== 0)
      return toValue(left.value - Math.floor(left.value / Number(right.value)) * Number(right.value));
    if (operator === '*' && isText(left) && right.type === 'IntegerValue') {
      const times = Math.max(0, right.value as number);
      refuseLarge(left.value.length * times);
      return new StringValue(left.value.repeat(times));
    }
    if (operator === '+' && isText(left) !== isText(right))
      throw new Error('can only add text to text; | string makes text of anything');
    return super.evaluate({ ...node, left: valueNode(left), right: valueNode(right) } as Binary, environment);
  }

  #member(node: Member, environment: Scope): Value {
    const object = this.evaluate(node.object, environment);
    const name = (node.property as Named).value;
    if (isUndefined(object)) throw new Error(`${(node.object as Named).value ?? 'a value'} is undefined`);
    if (isText(object) && !node.computed && Object.hasOwn(stringMethods, name))
      return toValue((...args: unknown[]) => stringMethods[name]!(object.value, args));
    if (!node.computed || node.property.type === 'SliceExpression')
      return super.evaluate({ ...node, object: valueNode(object) } as Member, environment);
    const property = this.evaluate(node.property, environment);
    if (isText(object) && typeof property.value === 'number')
      return toValue([...object.value].at(property.value));
    return super.evaluate(
      { ...node, object: valueNode(object), property: valueNode(property) } as Member,
      environment,
    );
  }

  #filtered({ type, operand, body, filter }: Filtered, environment: Scope): Value {
    const value =
      type === 'FilterStatement' ? this.#body(body, environment) : this.evaluate(operand, environment);
    if (filter.type === 'Identifier') return this.#filter(value, (filter as Named).value, noArguments);
    const { callee, args } = filter as Call;
    return this.#filter(value, callee.value, this.#arguments(args, environment));
  }

  #arguments(nodes: readonly Node[], environment: Scope): Arguments {
    const positional: Value[] = [];
    const named = new Map<string, Value>();
    for (const node of nodes) {
      if (node.type === 'KeywordArgumentExpression') {
        const { key, value } = node as Node & { key: Named; value: Node };
        named.set(key.value, this.evaluate(value, environment));
      } else positional.push(this.evaluate(node, environment));
    }
    return { positional, named };
  }

  #filter(operand: Value, name: string, args: Arguments): Value {
    if (Object.hasOwn(filters, name)) {
      return filters[name]!(operand, args, {
        filter: (item, other, rest) => this.#filter(item, other, rest),
        test: (item, test, rest) => this.#test(item, test, rest),
      });
    }
    if (name === 'tojson' && isUndefined(operand)) throw new Error('an undefined value has no JSON');
    const callee = { type: 'Identifier', value: name } as Named;
    const nodes: Node[] = args.positional.map(valueNode);
    for (const [key, value] of args.named)
      nodes.push({
        type: 'KeywordArgumentExpression',
        key: { value: key },
        value: valueNode(value),
      } as Node);
    const filter = nodes.length === 0 ? callee : { type: 'CallExpression', callee, args: nodes };
    const node = { type: 'FilterExpression', operand: valueNode(operand), filter } as Node;
    return super.evaluate(node, this.global);
  }

  #test(operand: Value, name: string, args: readonly Value[] = []): boolean {
    if (Object.hasOwn(tests, name)) return tests[name]!(operand, args);
    const test = { type: 'Identifier', value: name } as Named;
    const node = { type: 'TestExpression', operand: valueNode(operand), negate: false, test } as Tested;
    return isTrue(super.evaluate(node, this.global));
  }
}

const noArguments: Arguments = { positional: [], named: new Map() };
