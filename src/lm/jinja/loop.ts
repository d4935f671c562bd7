import { Environment, type Node, type Scope, type Value } from './library.ts';
import { elements, FunctionValue, toValue, undefinedValue } from './python.ts';
import type { Named } from './syntax.ts';

/** A scope inside `outer` in which a loop's variable, or several, hold the item. */
export function scopeWith(target: Node, item: Value, outer: Scope): Scope {
  const scope = new Environment(outer);
  assign(target, item, scope);
  return scope;
}

function assign(target: Node, item: Value, scope: Scope): void {
  if (target.type === 'Identifier') {
    scope.setVariable((target as Named).value, item);
    return;
  }
  const targets = (target as Node & { value: Node[] }).value;
  const items = elements(item);
  if (items.length !== targets.length)
    throw new Error(`${targets.length} variables for ${items.length} values`);
  for (const [at, each] of targets.entries()) assign(each, items[at]!, scope);
}

/** jinja2's `loop` in the round of item `at`. */
export function loopVariable(items: readonly Value[], at: number): Value {
  const facts = toValue({
    index: at + 1,
    index0: at,
    revindex: items.length - at,
    revindex0: items.length - at - 1,
    first: at === 0,
    last: at === items.length - 1,
    length: items.length,
  });
  const fields = facts.value as Map<string, Value>;
  fields.set('previtem', items[at - 1] ?? undefinedValue);
  fields.set('nextitem', items[at + 1] ?? undefinedValue);
  fields.set('cycle', new FunctionValue((args) => args[at % args.length] ?? undefinedValue));
  return facts;
}
