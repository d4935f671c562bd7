import type { Value } from './library.ts';
import {
  ArrayValue,
  contains,
  elements,
  equals,
  isArray,
  isMapping,
  isText,
  isTrue,
  isUndefined,
  str,
  stringMethods,
  strip,
  toValue,
  undefinedValue,
} from './python.ts';

/** jinja2's filters and tests where @huggingface/jinja lacks them or has them otherwise. */

/** A filter's or test's arguments, evaluated. */
export interface Arguments {
  readonly positional: readonly Value[];
  readonly named: ReadonlyMap<string, Value>;
}

/** How a filter reaches the others: `map('trim')`, `select('string')`. */
export interface Environs {
  filter(operand: Value, name: string, args: Arguments): Value;
  test(operand: Value, name: string, args: readonly Value[]): boolean;
}

type Filter = (operand: Value, args: Arguments, environs: Environs) => Value;

const textOf = (value: Value | undefined) => (value === undefined ? undefined : str(value));

/** `attribute='a.b'`: each part a key or an index. */
function attributeOf(item: Value, path: Value): Value {
  let value = item;
  for (const part of str(path).split('.')) {
    if (isMapping(value)) value = value.value.get(part) ?? undefinedValue;
    else if (isArray(value)) value = value.value.at(Number(part)) ?? undefinedValue;
    else return undefinedValue;
  }
  return value;
}

const without = ({ positional, named }: Arguments, count: number): Arguments => ({
  positional: positional.slice(count),
  named,
});

/** jinja2 leaves anything empty alone before it looks at it, None too. */
const membersOf = (operand: Value) => (isTrue(operand) ? elements(operand) : []);

function choosing(wanted: boolean, byAttribute: boolean): Filter {
  return (operand, args, environs) => {
    const [path, test, ...rest] = byAttribute ? args.positional : [undefinedValue, ...args.positional];
    if (path === undefined) throw new Error('Missing parameter for attribute name');
    const kept = membersOf(operand).filter((item) => {
      const value = byAttribute ? attributeOf(item, path) : item;
      return (test ? environs.test(value, str(test), rest) : isTrue(value)) === wanted;
    });
    return new ArrayValue(kept);
  };
}

const method =
  (name: string): Filter =>
  (operand) =>
    toValue(stringMethods[name]!(str(operand), []));

export const filters: Readonly<Record<string, Filter>> = {
  trim: (operand, { positional, named }) =>
    toValue(strip(str(operand), textOf(positional[0] ?? named.get('chars')))),
  upper: (operand) => toValue(str(operand).toUpperCase()),
  lower: (operand) => toValue(str(operand).toLowerCase()),
  title: method('title'),
  capitalize: method('capitalize'),
  string: (operand) => toValue(str(operand)),
  length: (operand) => toValue(elements(operand).length),
  count: (operand) => toValue(elements(operand).length),
  list: (operand) => new ArrayValue([...elements(operand)]),
  first: (operand) => elements(operand)[0] ?? undefinedValue,
  last: (operand) => elements(operand).at(-1) ?? undefinedValue,
  join: (operand, { positional, named }) => {
    const attribute = positional[1] ?? named.get('attribute');
    const items = elements(operand).map((item) => str(attribute ? attributeOf(item, attribute) : item));
    return toValue(items.join(textOf(positional[0] ?? named.get('d')) ?? ''));
  },
  map: (operand, args, environs) => {
    const path = args.named.get('attribute');
    const [name] = args.positional;
    const [otherwise] = [args.named.get('default') ?? undefinedValue];
    const mapped = membersOf(operand).map((item) => {
      if (!path) return environs.filter(item, str(name ?? undefinedValue), without(args, 1));
      const value = attributeOf(item, path);
      return isUndefined(value) ? otherwise : value;
    });
    return new ArrayValue(mapped);
  },
  select: choosing(true, false),
  reject: choosing(false, false),
  selectattr: choosing(true, true),
  rejectattr: choosing(false, true),
};

type Test = (operand: Value, args: readonly Value[]) => boolean;

const ordered =
  (holds: (a: number | string, b: number | string) => boolean): Test =>
  (a, [b]) =>
    holds(a.value as number, b?.value as number);
const same: Test = (a, [b]) => equals(a, b ?? undefinedValue);
const different: Test = (a, [b]) => !equals(a, b ?? undefinedValue);

export const tests: Readonly<Record<string, Test>> = {
  iterable: (value) => isArray(value) || isMapping(value) || isText(value) || isUndefined(value),
  sequence: (value) => isArray(value) || isMapping(value) || isText(value) || isUndefined(value),
  number: ({ type }) => ['IntegerValue', 'FloatValue', 'BooleanValue'].includes(type),
  float: ({ type }) => type === 'FloatValue',
  eq: same,
  '==': same,
  equalto: same,
  sameas: same,
  ne: different,
  '!=': different,
  in: (value, [container]) => contains(container ?? undefinedValue, value),
  lt: ordered((a, b) => a < b),
  '<': ordered((a, b) => a < b),
  le: ordered((a, b) => a <= b),
  gt: ordered((a, b) => a > b),
  '>': ordered((a, b) => a > b),
  ge: ordered((a, b) => a >= b),
};
