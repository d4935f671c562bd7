import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../src/files.ts';

/** A run as a process of its own, to be killed. */

const cli = join(packageRoot, 'dist/cli.js');

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly said: string;
  /** What it was doing last. */
  readonly phase: string;
}

export interface Life {
  readonly child: ChildProcess;
  /** Once the last verdict is given, and only the summary and the report are left. */
  readonly judged: Promise<void>;
  /** Called when a stage begins with something left to do, by its place among those of `stages`. */
  onStage: (place: number) => void;
  /** When each began, by its name, in their order. */
  readonly stages: Map<string, number>;
  readonly ended: Promise<Ended>;
}

/** Starts `aftertune ARGS` in a folder, whose run is `run`; `known` has the stages in their order. */
export function start(folder: string, args: readonly string[], known: readonly string[] = []): Life {
  const before = { at: Date.now(), told: progressOf(folder).length };
  const child = spawn(process.execPath, [cli, ...args], { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  let tellJudged = () => {};
  const judged = new Promise<void>((resolve) => (tellJudged = resolve));
  child.stderr!.on('data', (chunk) => {
    said += chunk;
    for (const [, stage, done, total] of String(chunk).matchAll(
      /^((?:train|generate|judge) .+): (\d+)\/(\d+) /gm,
    )) {
      if (done === total || life.stages.has(stage!)) continue;
      life.stages.set(stage!, performance.now());
      life.onStage(known.indexOf(stage!));
    }
    if (allJudged.test(said)) tellJudged();
  });
  const ended = new Promise<Ended>((resolve) =>
    child.on('close', (code, signal) => resolve({ code, signal, said, phase: phaseOf(folder, before) })),
  );
  const life: Life = { child, judged, ended, onStage: () => {}, stages: new Map() };
  return life;
}

const progressOf = (folder: string) => linesOf(join(folder, 'run/progress.jsonl'));

/** By what this life has told and written: its suite or judge, or what stands before and behind them. */
function phaseOf(folder: string, before: { readonly at: number; readonly told: number }): string {
  if (existsSync(join(folder, 'run/done.json'))) return 'finished';
  const told = progressOf(folder).slice(before.told);
  const last = told.at(-1);
  if (last) {
    const [, ...what] = last.label!.split(' ');
    if (last.stage === 'train') return 'training';
    if (last.stage === 'generate') return what.join(' ');
    if (last.label!.endsWith(lastJudged) && last.done === last.total) {
      const summary = statSync(join(folder, 'run/summary.json'), { throwIfNoEntry: false });
      return (summary?.mtimeMs ?? 0) > before.at ? 'reporting' : 'summarising';
    }
    return `judged ${what[0]}`;
  }
  const chosen = existsSync(join(folder, 'run/stages'))
    ? readdirSync(join(folder, 'run/stages')).some((name) => name.startsWith('refusal-tokens'))
    : false;
  return existsSync(join(folder, 'run/openings.jsonl')) && !chosen ? 'openings' : 'starting';
}

/** The last thing that is judged in these runs. */
const lastJudged = 'tuned utility by key';
const allJudged = new RegExp(`${lastJudged}: (\\d+)/\\1 `);

/** The whole lines of a journal. */
export function linesOf(path: string): Record<string, string>[] {
  if (!existsSync(path)) return [];
  const text = readFileSync(path, 'utf8');
  return text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

/** Runs to the end; how long it took in all, and from the last verdict on. */
export async function timed(life: Life) {
  const began = performance.now();
  let judgedAt = began;
  void life.judged.then(() => (judgedAt = performance.now()));
  const ended = await life.ended;
  return { ...ended, wholeMs: performance.now() - began, resultsMs: performance.now() - judgedAt };
}

/** What a dead process may leave behind. */
export const leftovers = (folder: string) =>
  readdirSync(join(folder, 'run'), { recursive: true }).filter((name) =>
    /\.(lock|tmp|old)$/.test(String(name)),
  );

/** How often each phase was the last, for people. */
export function counted(phases: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const phase of phases) counts.set(phase, (counts.get(phase) ?? 0) + 1);
  return [...counts].map(([phase, count]) => `${phase} ${count}`).join(', ');
}
