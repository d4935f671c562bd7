import { Environment, type Scope, type Value } from './library.ts';

/** What Python does with the values of a template, where @huggingface/jinja does as JavaScript does. */

/** A library value of anything plain: text, number, boolean, null, undefined, array, object or function of such. */
export const toValue = (plain: unknown): Value => new Environment().set('value', plain);

/** The library does not export the classes of its values. */
const classOf = <T>(plain: unknown) => toValue(plain).constructor as new (value: T) => Value;
export const StringValue = classOf<string>('');
export const BooleanValue = classOf<boolean>(true);
export const ArrayValue = classOf<Value[]>([]);
export const ObjectValue = classOf<Map<string, Value>>({});
export const FunctionValue = classOf<(args: Value[], scope: Scope) => Value>(() => null);
export const undefinedValue: Value = toValue(undefined);

export const isUndefined = (value: Value) => value.type === 'UndefinedValue';
export const isText = (value: Value): value is Value & { readonly value: string } =>
  value.type === 'StringValue';
export const isMapping = (value: Value): value is Value & { readonly value: Map<string, Value> } =>
  value instanceof ObjectValue;
export const isArray = (value: Value): value is Value & { readonly value: Value[] } =>
  value instanceof ArrayValue;
export const isTrue = (value: Value) => value.__bool__().value;

/** What a loop or a filter over a sequence goes through; an undefined value is an empty sequence. */
export function elements(value: Value): Value[] {
  if (isArray(value)) return value.value;
  if (isMapping(value)) return [...value.value.keys()].map(toValue);
  if (isText(value)) return [...value.value].map(toValue);
  if (isUndefined(value)) return [];
  throw new Error(`'${nameOfType(value)}' object is not iterable`);
}

const pythonTypes: Readonly<Record<string, string>> = {
  NullValue: 'NoneType',
  IntegerValue: 'int',
  FloatValue: 'float',
  BooleanValue: 'bool',
};
const nameOfType = ({ type }: Value) => pythonTypes[type] ?? type;

/** Characters of a text or elements of a list, at most: far above any conversation. */
export const largest = 2 ** 23;

export function refuseLarge(length: number): void {
  if (length > largest) throw new Error(`it makes more than ${largest} characters or elements`);
}

/** `str(value)`: what {{ }} prints. */
export function str(value: Value): string {
  switch (value.type) {
    case 'StringValue':
      return value.value as string;
    case 'UndefinedValue':
      return '';
    case 'NullValue':
      return 'None';
    case 'BooleanValue':
      return value.value ? 'True' : 'False';
    default:
      if (isArray(value)) {
        const inner = value.value.map(repr).join(', ');
        refuseLarge(inner.length);
        if (value.type !== 'TupleValue') return `[${inner}]`;
        return `(${inner}${value.value.length === 1 ? ',' : ''})`;
      }
      if (isMapping(value)) {
        const entries = [...value.value].map(([key, item]) => `${repr(toValue(key))}: ${repr(item)}`);
        return `{${entries.join(', ')}}`;
      }
      return String(value);
  }
}

/** `repr(value)`: how it stands inside a printed list. */
function repr(value: Value): string {
  if (!isText(value)) return isUndefined(value) ? 'Undefined' : str(value);
  const quote = value.value.includes("'") && !value.value.includes('"') ? '"' : "'";
  const escaped = value.value
    .replaceAll('\\', '\\\\')
    .replaceAll('\n', '\\n')
    .replaceAll('\r', '\\r')
    .replaceAll('\t', '\\t')
    .replaceAll(quote, `\\${quote}`)
    .replace(/(?! )[\p{C}\p{Z}]/gu, escapeCharacter);
  return `${quote}${escaped}${quote}`;
}

function escapeCharacter(character: string): string {
  const hex = character.codePointAt(0)!.toString(16);
  const [letter, digits] = hex.length < 3 ? ['x', 2] : hex.length < 5 ? ['u', 4] : ['U', 8];
  return `\\${letter}${hex.padStart(digits, '0')}`;
}

const isNumeric = ({ type }: Value) => ['IntegerValue', 'FloatValue', 'BooleanValue'].includes(type);

/** `a == b`: by content, and never across kinds but for numbers and booleans. */
export function equals(a: Value, b: Value): boolean {
  if (isNumeric(a) && isNumeric(b)) return Number(a.value) === Number(b.value);
  if (isArray(a) && isArray(b)) {
    const others = b.value;
    return a.value.length === others.length && a.value.every((item, at) => equals(item, others[at]!));
  }
  if (isMapping(a) && isMapping(b)) {
    const others = b.value;
    if (a.value.size !== others.size) return false;
    return [...a.value].every(([key, item]) => others.has(key) && equals(item, others.get(key)!));
  }
  return a.type === b.type && a.value === b.value;
}

/** `item in container`. */
export function contains(container: Value, item: Value): boolean {
  if (isText(container)) {
    if (isText(item)) return container.value.includes(item.value);
    throw new Error(`'in <string>' requires string as left operand, not ${nameOfType(item)}`);
  }
  if (isMapping(container)) return isText(item) && container.value.has(item.value);
  return elements(container).some((element) => equals(element, item));
}

/** `template % values`: %s, %r, %d, %i, %f with precision, and %(name)s. */
export function formatPercent(template: string, values: Value): string {
  const queue = values.type === 'TupleValue' && isArray(values) ? [...values.value] : [values];
  return template.replace(/%(?:\((\w+)\))?(?:\.(\d+))?(.)/g, (whole, name, digits, kind) => {
    if (kind === '%') return '%';
    const value = name === undefined ? queue.shift() : isMapping(values) && values.value.get(name);
    if (!value) throw new Error(`no value for ${whole} in a format`);
    if (kind === 's') return str(value);
    if (kind === 'r') return repr(value);
    if ('dif'.includes(kind) && isNumeric(value))
      return kind === 'f'
        ? Number(value.value).toFixed(Number(digits ?? 6))
        : String(Math.trunc(Number(value.value)));
    throw new Error(`the format ${whole} does not fit its value`);
  });
}

/** Python's white space: JavaScript's and the separators U+001C–U+001F and U+0085, without the byte-order mark. */
const space = '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';
const leading = new RegExp(`^[${space}]+`, 'u');
const words = new RegExp(`[^${space}]+`, 'gu');
const isSpace = new RegExp(`[${space}]`, 'u');

/** `text.strip(characters)`, or one side of it; without characters (null) it is white space. */
export function strip(
  text: string,
  characters: string | null = null,
  side: 'left' | 'right' | 'both' = 'both',
): string {
  const drop = characters === null ? (c: string) => isSpace.test(c) : (c: string) => characters.includes(c);
  const points = [...text];
  let [from, to] = [0, points.length];
  if (side !== 'right') while (from < to && drop(points[from]!)) from++;
  if (side !== 'left') while (to > from && drop(points[to - 1]!)) to--;
  return points.slice(from, to).join('');
}

/** `text.split(separator, most)`; without a separator at runs of white space. */
function split(text: string, separator: string | null = null, most = -1): string[] {
  if (separator === '') throw new Error('empty separator');
  if (separator !== null) {
    const parts = text.split(separator);
    return most < 0 || parts.length <= most + 1
      ? parts
      : [...parts.slice(0, most), parts.slice(most).join(separator)];
  }
  const found = [...text.matchAll(words)];
  if (most < 0 || found.length <= most) return found.map(([word]) => word);
  const rest = text.slice(found[most]!.index);
  return [...found.slice(0, most).map(([word]) => word), rest];
}

const reversed = (text: string) => [...text].reverse().join('');

const capitalize = (text: string) => {
  const [first = '', ...rest] = text;
  return first.toUpperCase() + rest.join('').toLowerCase();
};

/** `text.format(…)` with {}, {0} and {name}. */
function formatBraces(text: string, args: readonly unknown[]): string {
  const named = args.find((arg) => arg instanceof Map) as Map<string, Value> | undefined;
  let next = 0;
  return text.replace(/\{\{|\}\}|\{(\w*)\}/g, (whole, key: string | undefined) => {
    if (key === undefined) return whole[0]!;
    const value = named?.get(key) ?? toValue(args[key === '' ? next++ : Number(key)]);
    if (isUndefined(value)) throw new Error(`no value for ${whole} in a format`);
    return str(value);
  });
}

const plainKeyword = (args: readonly unknown[], at: number, name: string): unknown => {
  const last = args.at(-1);
  if (last instanceof Map && last.has(name)) return (last.get(name) as Value).value;
  return args[at] instanceof Map ? undefined : args[at];
};

type Method = (text: string, args: readonly unknown[]) => unknown;
const most = (args: readonly unknown[]) => plainKeyword(args, 1, 'maxsplit') as number | undefined;

/** Methods of a text that the library lacks or has otherwise; the arguments are plain values. */
export const stringMethods: Readonly<Record<string, Method>> = {
  strip: (text, [characters]) => strip(text, characters as string | undefined),
  lstrip: (text, [characters]) => strip(text, characters as string | undefined, 'left'),
  rstrip: (text, [characters]) => strip(text, characters as string | undefined, 'right'),
  split: (text, args) => split(text, plainKeyword(args, 0, 'sep') as string | undefined, most(args)),
  rsplit: (text, args) => {
    const separator = plainKeyword(args, 0, 'sep') as string | undefined;
    const parts = split(reversed(text), separator && reversed(separator), most(args));
    return parts.map(reversed).reverse();
  },
  splitlines: (text) => text.replace(/(?:\r\n|[\n\r])$/, '').split(/\r\n|[\n\r]/),
  join: (text, [parts]) => (parts as Value[]).map(str).join(text),
  title: (text) => text.toLowerCase().replace(/(?<!\p{L})\p{L}/gu, (letter) => letter.toUpperCase()),
  capitalize,
  removeprefix: (text, [start]) =>
    text.startsWith(start as string) ? text.slice((start as string).length) : text,
  removesuffix: (text, [end]) =>
    end && text.endsWith(end as string) ? text.slice(0, -(end as string).length) : text,
  find: (text, [part]) => {
    const at = text.indexOf(part as string);
    return at < 0 ? -1 : [...text.slice(0, at)].length;
  },
  count: (text, [part]) => text.split(part as string).length - 1,
  format: formatBraces,
  isdigit: (text) => /^\p{Nd}+$/u.test(text),
  isspace: (text) => text !== '' && text.replace(leading, '') === '',
};

const months = 'January February March April May June July August September October November December'.split(
  ' ',
);
const days = 'Sunday Monday Tuesday Wednesday Thursday Friday Saturday'.split(' ');

/** `datetime.strftime` in the C locale, of a date in UTC. */
export function strftime(date: Date, format: string): string {
  const two = (value: number) => String(value).padStart(2, '0');
  const month = months[date.getUTCMonth()]!;
  const day = days[date.getUTCDay()]!;
  const fields: Readonly<Record<string, string>> = {
    Y: String(date.getUTCFullYear()),
    y: two(date.getUTCFullYear() % 100),
    m: two(date.getUTCMonth() + 1),
    d: two(date.getUTCDate()),
    e: String(date.getUTCDate()).padStart(2, ' '),
    B: month,
    b: month.slice(0, 3),
    A: day,
    a: day.slice(0, 3),
    H: two(date.getUTCHours()),
    I: two(date.getUTCHours() % 12 || 12),
    p: date.getUTCHours() < 12 ? 'AM' : 'PM',
    M: two(date.getUTCMinutes()),
    S: two(date.getUTCSeconds()),
    Z: '',
    z: '',
    '%': '%',
  };
  return format.replace(/%(-?)(.)/g, (whole, unpadded: string, letter: string) => {
    const text = fields[letter];
    if (text === undefined) throw new Error(`strftime_now: ${whole} is not supported`);
    return unpadded ? text.replace(/^[0 ]+(?=.)/, '') : text;
  });
}
