import { resolve } from 'node:path';
import { parse } from 'yaml';
import type { ConfigInput } from '../config.ts';
import { readConfigFile } from '../config-file.ts';
import type { JudgeSettings } from '../config-judge.ts';
import { resolveConfig } from '../config-resolve.ts';
import { AuditError } from '../errors.ts';
import { resultText } from '../result-table.ts';
import type { Context, Outcome } from './verb.ts';

/** Flags of `judge`. */
export interface JudgeFlags {
  /** A config, or a file with its `judges` alone. */
  readonly config?: string;
  /** Judges as YAML, each a type or a table. */
  readonly judge: readonly string[];
  readonly first?: boolean;
}

/** Has further judges label a finished run's answers; exits by the gate, 4 where a judge is unreliable. */
export async function judge(run: string, flags: JudgeFlags, context: Context): Promise<Outcome> {
  const { judges, environment } = readJudges(flags);
  const { judgeRun } = await import('../judge-run.ts');
  const first = flags.first ?? false;
  const { summary, directory, exitCode } = await judgeRun(resolve(run), judges, {
    first,
    environment,
    ...context,
  });
  return { document: summary, text: resultText(summary, directory), exitCode };
}

/** What a config needs beside its judges; nothing of it is used. */
const otherwise: Omit<ConfigInput, 'judges'> = {
  model: { path: 'builtin:wren' },
  data: {},
  arms: { base: { train: 'none' } },
  baseArm: 'base',
  training: {},
  suites: { harm: { prompts: 'none.jsonl' } },
  gate: {},
};

interface Judges {
  readonly judges: readonly JudgeSettings[];
  readonly environment: ReadonlyMap<string, string>;
}

/** @throws AuditError `config` unless judges are given in one of the two ways. */
function readJudges({ config, judge: written }: JudgeFlags): Judges {
  if ((config === undefined) === (written.length === 0)) {
    throw new AuditError('config', 'judge needs either --config or --judge', {
      hint: "as in --judge refusal, or --judge '{type: rubric, model: {endpoint: http://127.0.0.1:8000/v1, name: NAME}}'",
    });
  }
  if (config === undefined) {
    const judges = written.map(parseJudge) as NonNullable<ConfigInput['judges']>;
    return { judges: resolveConfig({ ...otherwise, judges }).judges, environment: new Map() };
  }
  const overrides = Object.entries(otherwise).map(([path, value]) => ({ path, value }));
  const { input, directory, environment } = readConfigFile(config, overrides);
  if (!input.judges) throw new AuditError('config', `${config}: names no judges`);
  return { judges: resolveConfig(input, directory).judges, environment };
}

function parseJudge(text: string): unknown {
  try {
    const value: unknown = parse(text);
    return typeof value === 'string' ? { type: value } : value;
  } catch (error) {
    throw new AuditError('config', `--judge ${text}: is not YAML`, { cause: error });
  }
}
