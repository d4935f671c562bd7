import { z } from 'zod';

/** One thing wrong with a config, with where it is. */
export interface ConfigProblem {
  readonly path: readonly PropertyKey[];
  readonly message: string;
  /** The key itself is wrong, not its value. */
  readonly unknownKey?: string;
}

/** Says a zod issue in plain words; an unknown key gets the nearest known one. */
export function describeIssue(issue: z.core.$ZodIssue, schema: z.ZodType): ConfigProblem[] {
  const { path } = issue;
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => {
        const known = knownKeys(schema, path);
        // It belongs to another alternative.
        if (known.includes(key))
          return { path: [...path, key], message: misplaced(key, issue.input), unknownKey: key };
        const near = nearest(key, known);
        const advice = near.length > 0 ? `; did you mean ${near.join(' or ')}?` : '';
        return { path: [...path, key], message: `unknown key${advice}`, unknownKey: key };
      });
    case 'invalid_type':
      return [
        {
          path,
          message:
            issue.input === undefined
              ? 'is missing'
              : `expected ${kindOf(issue.expected)}, got ${show(issue.input)}`,
        },
      ];
    case 'invalid_value':
      return [{ path, message: `expected one of ${issue.values.join(', ')}${got(issue.input)}` }];
    case 'invalid_union': {
      if (!('options' in issue)) return describeAlternatives(issue, schema);
      const value = (issue.input as Record<string, unknown> | undefined)?.[issue.discriminator ?? ''];
      return [{ path, message: `expected one of ${issue.options?.join(', ')}${got(value)}` }];
    }
    case 'invalid_key':
      return [{ path, message: issue.issues[0]?.message ?? issue.message, unknownKey: String(path.at(-1)) }];
    default:
      return [
        { path, message: `${issue.message.replace(/^Too (big|small): /, '')}${gotAt(path, issue.input)}` },
      ];
  }
}

function misplaced(key: string, table: unknown): string {
  const other = ['endpoint', 'path'].find((one) => one !== key && Object.hasOwn(table as object, one));
  return other ? `does not go with ${other}: leave one of the two out` : 'does not belong to this kind';
}

/** What is wrong with the alternative that knows most of the keys; one message for what is none of them. */
function describeAlternatives(
  issue: Extract<z.core.$ZodIssue, { code: 'invalid_union' }>,
  schema: z.ZodType,
): ConfigProblem[] {
  const { path, message, input } = issue;
  const isTable = typeof input === 'object' && input !== null && !Array.isArray(input);
  if (input === undefined && message === 'Invalid input') return [{ path, message: 'is missing' }];
  if (message !== 'Invalid input') return [{ path, message: message + gotAt(path, input) }];
  if (!isTable) return [{ path, message: `expected ${kindsOf(issue.errors)}${gotAt(path, input)}` }];
  const unknown = (issues: readonly z.core.$ZodIssue[]) =>
    issues.flatMap((inner) => (inner.code === 'unrecognized_keys' ? inner.keys : [])).length;
  const [nearestTo] = [...issue.errors].sort((a, b) => unknown(a) - unknown(b));
  return (nearestTo ?? []).flatMap((inner) =>
    describeIssue({ ...inner, path: [...path, ...inner.path] } as z.core.$ZodIssue, schema),
  );
}

/** A kind of value as people who write YAML name it. */
const kindOf = (expected: string) =>
  ({ object: 'a table', record: 'a table', array: 'a list' })[expected] ?? `a ${expected}`;

/** What the alternatives take, in words. */
function kindsOf(alternatives: readonly (readonly z.core.$ZodIssue[])[]): string {
  const kinds = alternatives.flatMap(([first]) =>
    first?.code === 'invalid_type' ? [kindOf(first.expected)] : [],
  );
  return [...new Set(kinds)].join(' or ') || 'another value';
}

/** Where somebody may have put a key by mistake it is not repeated. */
const mayHoldKey = ['endpoint', 'address', 'apiKeyEnv'];
function gotAt(path: readonly PropertyKey[], value: unknown): string {
  return mayHoldKey.includes(String(path.at(-1))) ? '' : got(value);
}

function got(value: unknown): string {
  return value === undefined ? '' : `, got ${show(value)}`;
}

function show(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'a table';
  const shown = JSON.stringify(value) ?? String(value);
  return shown.length > 60 ? `${shown.slice(0, 57)}…"` : shown;
}

interface SchemaNode {
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly additionalProperties?: SchemaNode | boolean;
  readonly items?: SchemaNode;
  readonly anyOf?: readonly SchemaNode[];
  readonly oneOf?: readonly SchemaNode[];
}

/** The keys that the schema knows at a path, over every alternative. */
function knownKeys(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let nodes: SchemaNode[] = [z.toJSONSchema(schema, { io: 'input' }) as SchemaNode];
  const alternatives = (node: SchemaNode): SchemaNode[] => [
    node,
    ...[...(node.anyOf ?? []), ...(node.oneOf ?? [])].flatMap(alternatives),
  ];
  for (const part of path) {
    nodes = nodes.flatMap(alternatives).flatMap((node) => {
      if (typeof part === 'number') return node.items ? [node.items] : [];
      const child = node.properties?.[String(part)] ?? node.additionalProperties;
      return typeof child === 'object' ? [child] : [];
    });
  }
  return [...new Set(nodes.flatMap(alternatives).flatMap((node) => Object.keys(node.properties ?? {})))];
}

/** The candidates closest to a misspelt word: at most a third of its letters wrong, and at most two of them. */
export function nearest(word: string, candidates: readonly string[]): string[] {
  const plain = (text: string) => text.toLowerCase().replaceAll(/[-_]/g, '');
  const scored = candidates
    .map((candidate) => ({ candidate, distance: editDistance(plain(word), plain(candidate)) }))
    .filter(
      ({ candidate, distance }) =>
        distance <= Math.max(1, Math.floor(Math.max(word.length, candidate.length) / 3)),
    )
    .sort((a, b) => a.distance - b.distance);
  return scored
    .filter(({ distance }) => distance === scored[0]?.distance)
    .slice(0, 2)
    .map(({ candidate }) => candidate);
}

/** Levenshtein distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}
