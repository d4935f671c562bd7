import { dirname, resolve } from 'node:path';
import { type Document, isMap, isScalar, LineCounter, parse, parseDocument, visit } from 'yaml';
import type { ConfigInput } from './config.ts';
import type { ConfigProblem } from './config-problem.ts';
import { parseConfig } from './config-resolve.ts';
import { AuditError } from './errors.ts';
import { readText } from './files.ts';

/** A valid config file, as `audit` takes it. */
export interface ConfigFile {
  readonly input: ConfigInput;
  /** Where its relative paths start. */
  readonly directory: string;
  /** The text as written: what run.json keeps, since it holds no value of an environment variable. */
  readonly text: string;
  /** Environment variables used, by name. */
  readonly environment: ReadonlyMap<string, string>;
}

/** A value that replaces the file's, by dotted path: `training.steps`. */
export interface Override {
  readonly path: string;
  readonly value: unknown;
  /** Leave it out where the file has nothing to put it in. */
  readonly ifParent?: boolean;
}

/**
 * Reads a YAML config: `${NAME}` becomes the environment's value, `overrides` win over the file.
 * @throws AuditError `config` with every problem at once, each with its line.
 */
export function readConfigFile(
  path: string,
  overrides: readonly Override[] = [],
  variables: Readonly<Record<string, string | undefined>> = process.env,
): ConfigFile {
  const text = readText(path, 'config', 'config');
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number) => `${path}:${lines.linePos(offset).line}`;
  const fail = (problems: string[]) => {
    const hint = 'aftertune init writes a config with every key explained';
    return new AuditError('config', `${path} is not a valid config`, { problems, hint });
  };
  if (document.errors.length > 0)
    throw fail(document.errors.map(({ pos, message }) => `${at(pos[0])}: ${message}`));
  if (!isMap(document.contents))
    throw fail([
      `${path}: expected keys and values, got ${text.trim() ? 'something else' : 'an empty file'}`,
    ]);

  const environment = new Map<string, string>();
  const missing = interpolate(document, variables, environment);
  if (missing.length > 0) {
    throw fail(
      missing.map(({ name, offset }) => `${at(offset)}: the environment variable ${name} is not set`),
    );
  }
  for (const { path, value, ifParent } of overrides) {
    const keys = path.split('.');
    if (!ifParent || document.hasIn(keys.slice(0, -1))) document.setIn(keys, document.createNode(value));
  }
  const input: unknown = document.toJS();
  const directory = dirname(resolve(path));
  const result = parseConfig(input, directory);
  if ('problems' in result) {
    const problems = result.problems.map((problem) => located(problem, document, at, overrides));
    throw fail(concealEnvironment(problems, environment));
  }
  return { input: input as ConfigInput, directory, text, environment };
}

/** Replaces `${NAME}` in every scalar; an unquoted scalar that is nothing else takes the type its value has in YAML. */
function interpolate(
  document: Document,
  variables: Readonly<Record<string, string | undefined>>,
  used: Map<string, string>,
): { name: string; offset: number }[] {
  const missing: { name: string; offset: number }[] = [];
  visit(document, {
    Scalar(key, node) {
      if (key === 'key' || typeof node.value !== 'string') return;
      const written = node.value;
      const filled = written.replaceAll(/\$\{(\w+)\}/g, (whole, name: string) => {
        const value = variables[name];
        if (value === undefined) missing.push({ name, offset: node.range?.[0] ?? 0 });
        else used.set(name, value);
        return value ?? whole;
      });
      if (filled === written) return;
      node.value = node.type === 'PLAIN' && /^\$\{\w+\}$/.test(written) ? typed(filled) : filled;
    },
  });
  return missing;
}

/** A number, truth value or null where the text is one; else the text itself, never a list or a table. */
function typed(text: string): unknown {
  if (!/^(true|false|null|[-+]?[\d.]+(e[-+]?\d+)?)$/i.test(text)) return text;
  return parse(text) as unknown;
}

function located(
  problem: ConfigProblem,
  document: Document,
  at: (offset: number) => string,
  overrides: readonly Override[],
): string {
  const name = problem.path.map(String).join('.');
  const override = overrides.find(
    ({ path }) =>
      name === path ||
      name.startsWith(`${path}.`) ||
      // A key that the command line made: the file has no place for it.
      (path.startsWith(`${name}.`) && offsetOf(problem, document) === 0),
  );
  const where = override ? 'command line' : at(offsetOf(problem, document));
  return `${where}: ${name ? `${name}: ` : ''}${problem.message}`;
}

/** Where the deepest part of a path that the document has begins; for an unknown key, the key itself. */
function offsetOf(problem: ConfigProblem, document: Document): number {
  for (let depth = problem.path.length; depth > 0; depth--) {
    const parent = document.getIn(problem.path.slice(0, depth - 1), true);
    const last = problem.path[depth - 1];
    const pair =
      isMap(parent) && parent.items.find(({ key }) => isScalar(key) && String(key.value) === String(last));
    if (pair && isScalar(pair.key) && pair.key.range) return pair.key.range[0];
    const node = document.getIn(problem.path.slice(0, depth), true) as
      | { range?: [number, number, number] }
      | undefined;
    if (node?.range) return node.range[0];
  }
  return 0;
}

/** Every string of a record with the values of environment variables put back as `${NAME}`. */
export function concealEnvironment<T>(value: T, environment: ReadonlyMap<string, string>): T {
  const conceal = (entry: unknown): unknown => {
    if (typeof entry === 'string') {
      let shown = entry;
      for (const [name, secret] of environment) if (secret) shown = shown.replaceAll(secret, `\${${name}}`);
      return shown;
    }
    if (Array.isArray(entry)) return entry.map(conceal);
    if (typeof entry === 'object' && entry !== null) {
      return Object.fromEntries(Object.entries(entry).map(([key, child]) => [key, conceal(child)]));
    }
    return entry;
  };
  return environment.size === 0 ? value : (conceal(value) as T);
}
