import { GGUFValueType } from '@huggingface/gguf';
import { AuditError } from '../errors.ts';

/** What the parser gives per key. */
export interface TypedValue {
  readonly value: unknown;
  readonly type: GGUFValueType;
}

/** The key-value pairs of a GGUF file. Every getter gives null for a key that is not there. */
export interface GgufMetadata {
  readonly path: string;
  /** A list of equal numbers (one per layer) counts as that number. @throws AuditError `model`, `unsupported`. */
  number(key: string): number | null;
  /** A number above 0. @throws AuditError `model` when it is missing or not positive. */
  positive(key: string): number;
  /** @throws AuditError `model` when it is no text. */
  text(key: string): string | null;
  /** @throws AuditError `model` when it is not true or false. */
  flag(key: string): boolean | null;
  /** @throws AuditError `model` when it is no list of numbers. */
  numbers(key: string): readonly number[] | null;
  /** @throws AuditError `model` when it is no list of texts. */
  texts(key: string): readonly string[] | null;
}

/** The shortest decimal of a float32: 9.99999974e-6 becomes 1e-5, as the config it was made from says. */
function shortest(value: number): number {
  for (let digits = 1; digits < 9; digits++) {
    const candidate = Number(value.toPrecision(digits));
    if (Math.fround(candidate) === value) return candidate;
  }
  return value;
}

function plain({ value, type }: TypedValue): unknown {
  if (typeof value === 'bigint') return Number(value);
  if (typeof value === 'number') return type === GGUFValueType.FLOAT32 ? shortest(value) : value;
  return Array.isArray(value) && typeof value[0] === 'bigint' ? value.map(Number) : value;
}

export function createMetadata(path: string, entries: ReadonlyMap<string, TypedValue>): GgufMetadata {
  const wrong = (key: string, expected: string) =>
    new AuditError('model', `${path}: ${key} is not ${expected}`, {
      hint: 'the file may be damaged: fetch it again',
    });
  const get = (key: string) => {
    const entry = entries.get(key);
    return entry === undefined ? null : plain(entry);
  };
  const list = <T>(key: string, type: 'number' | 'string'): readonly T[] | null => {
    const value = get(key);
    if (value === null) return null;
    if (!Array.isArray(value) || value.some((item) => typeof item !== type))
      throw wrong(key, `a list of ${type === 'number' ? 'numbers' : 'texts'}`);
    return value;
  };
  const text = (key: string): string | null => {
    const value = get(key);
    if (value !== null && typeof value !== 'string') throw wrong(key, 'a text');
    return value;
  };
  const flag = (key: string): boolean | null => {
    const value = get(key);
    if (value !== null && typeof value !== 'boolean') throw wrong(key, 'true or false');
    return value;
  };
  const number = (key: string): number | null => {
    const value = get(key);
    if (value === null || typeof value === 'number') return value;
    const each = list<number>(key, 'number')!;
    if (each.length === 0) throw wrong(key, 'a number');
    if (each.some((item) => item !== each[0]))
      throw new AuditError('unsupported', `${path}: ${key} differs between layers`, {
        hint: 'choose a model whose layers are all alike',
      });
    return each[0]!;
  };
  return {
    path,
    number,
    positive: (key) => {
      const value = number(key);
      if (value === null || !(value > 0)) throw wrong(key, value === null ? 'there' : 'a positive number');
      return value;
    },
    text,
    flag,
    numbers: (key) => list<number>(key, 'number'),
    texts: (key) => list<string>(key, 'string'),
  };
}
