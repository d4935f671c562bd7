import { AuditError } from '../../errors.ts';
import { pipLine } from './job.ts';
import type { Ending } from './launcher.ts';

/** What the last lines of a failed training say, and the way out; the first that matches is told. */
const causes: readonly {
  readonly pattern: RegExp;
  readonly code: AuditError['code'];
  readonly message: (found: RegExpExecArray) => string;
  readonly hint: string;
}[] = [
  {
    pattern: /(?:ModuleNotFoundError|ImportError): (?:No module named '?([\w.-]+)'?|(.*))/,
    code: 'config',
    message: ([, name, other]) =>
      name ? `the Python side lacks the module ${name}` : `the Python side lacks something: ${other}`,
    hint: `${pipLine}, with the Python that training.launcher names`,
  },
  {
    pattern:
      /(?:CUDA out of memory|OutOfMemoryError|DefaultCPUAllocator: (?:not enough|can't allocate) memory|MemoryError)/,
    code: 'engine',
    message: () => 'the training ran out of memory',
    hint: 'lower training.batchSize and raise gradientAccumulation by as much (the same training), or set training.precision: bfloat16 or nf4',
  },
  {
    pattern: /training diverged at step \d+/,
    code: 'engine',
    message: ([what]) => what,
    hint: 'lower training.learningRate, or set training.maxGradientNorm',
  },
  {
    pattern: /\d+ rows a step cannot be shared by \d+ processes/,
    code: 'config',
    message: ([what]) => what,
    hint: 'choose training.batchSize × gradientAccumulation as a multiple of the number of processes',
  },
  {
    pattern: /FSDP 1 loses the adapter/,
    code: 'config',
    message: ([what]) => what,
    hint: 'set fsdp_version: 2 in accelerate’s config (accelerate launch --fsdp_version 2)',
  },
  {
    pattern: /another process trains in this folder/,
    code: 'config',
    message: ([what]) => what,
    hint: 'a cluster’s job goes on when the launcher is stopped: end it there (ray job stop, sky cancel, kubectl delete job), or let it finish with training.launcher: wait',
  },
];

const shownLines = 12;

/** Without what torchrun, or accelerate by it, says of the processes that ended. */
function ofTheScript(tail: readonly string[]): readonly string[] {
  const end = tail.findIndex((line) => /torch\/distributed\/elastic\/multiprocessing\/api\.py/.test(line));
  return end > 0 ? tail.slice(0, end) : tail;
}

/** What a launcher that did not finish its job is told as. */
export function failureOf({ code, signal, tail }: Ending, folder: string): AuditError {
  const problems = ofTheScript(tail).slice(-shownLines);
  const text = tail.join('\n');
  for (const { pattern, code: kind, message, hint } of causes) {
    const found = pattern.exec(text);
    if (found) return new AuditError(kind, `trainer trl: ${message(found)}`, { problems, hint });
  }
  if (code === 0)
    return new AuditError('engine', 'trainer trl: the launcher ended without finished.json', {
      problems,
      hint: 'a launcher that only hands a job in, or trains a copy of the folder (ray’s --working-dir, sky’s --workdir), is followed by training.launcher: wait, which goes on when the folder is filled',
    });
  const how = signal ? `was ended by ${signal}` : `ended with exit code ${code}`;
  const hint =
    signal === 'SIGKILL'
      ? 'the system kills what takes too much memory; the same command goes on from the last checkpoint'
      : `${folder}/log.txt has all that it said; the same command goes on from the last checkpoint`;
  return new AuditError('engine', `trainer trl: the training ${how}`, { problems, hint });
}
