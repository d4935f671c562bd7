import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { AuditError } from '../../errors.ts';
import { diskError, readText, writeFileAtomic } from '../../files.ts';
import { sha256File } from '../../hash.ts';
import { readAdapterConfig } from '../../lm/adapter-config.ts';
import { adapterSha256, type LoraAdapter, readAdapter, writeAdapter } from '../../lm/lora.ts';
import type { TrainedAdapter, TrainingStep } from '../../trainer.ts';
import type { JobFolder } from './job.ts';
import { readSteps } from './progress.ts';

const finishedDocument = z.object({ job: z.string(), adapterSha256: z.string() });
const adoptedDocument = z.object({ sha256: z.string() });

/** Whether the Python side has come to its end, and what says so has come over whole: a copy is there before its content. */
export function isFinished({ directory }: JobFolder): boolean {
  try {
    JSON.parse(readFileSync(join(directory, 'finished.json'), 'utf8'));
    return true;
  } catch {
    return false;
  }
}

/** The adapter of a job that was taken over before; null where there is none, or it is gone, and the job's rest with it. */
export async function adopted(job: JobFolder, output: string): Promise<TrainedAdapter | null> {
  const record = join(job.directory, 'adopted.json');
  if (!existsSync(record)) return null;
  const { sha256 } = read(record, adoptedDocument, job);
  const there = existsSync(join(output, 'adapter_model.safetensors'));
  if (there && (await adapterSha256(output)) === sha256) {
    clear(job);
    return { directory: output, sha256, history: readSteps(job) };
  }
  remove(job.directory);
  return null;
}

/**
 * Checks what the Python side left and writes it as an adapter folder of the run: the same values, with what
 * aftertune records beside them.
 * @throws AuditError `adapter` saying what is not as it was asked for.
 */
export async function adopt(job: JobFolder, output: string): Promise<TrainedAdapter> {
  const folder = join(job.directory, 'adapter');
  const history = readSteps(job);
  const problems = [
    ...(await arrivalProblems(job, folder)),
    ...historyProblems(job, history),
    ...configProblems(job, folder),
  ];
  if (problems.length > 0) throw refused(job, problems);
  const trained = readAdapter(folder, job.shape);
  if (!differ(trained, job.initial))
    throw refused(job, ['every value is the one that training began with: nothing was learnt']);
  // Rank, scale and matrices are those of `initial` by now; a config written by PEFT lists the matrices in any order.
  writeAdapter(output, { ...job.initial, layers: trained.layers }, job.origin);
  const sha256 = await adapterSha256(output);
  writeFileAtomic(join(job.directory, 'adopted.json'), `${JSON.stringify({ sha256 })}\n`);
  clear(job);
  return { directory: output, sha256, history };
}

/** Removes what is of no use once the adapter has been taken over, also where a kill cut that off. */
function clear({ directory }: JobFolder): void {
  for (const name of ['checkpoints', 'best', 'adapter', 'initial', 'rows.jsonl', 'held-out.jsonl'])
    remove(join(directory, name));
}

/** Whether everything has come over whole. */
async function arrivalProblems(job: JobFolder, folder: string): Promise<string[]> {
  const path = join(folder, 'adapter_model.safetensors');
  const finished = read(join(job.directory, 'finished.json'), finishedDocument, job);
  if (finished.job !== job.id) return ['finished.json: is of another training'];
  if (!existsSync(path)) return [`${path}: no such file`];
  return (await sha256File(path)) === finished.adapterSha256
    ? []
    : [`${path}: its SHA-256 is not the one in finished.json: it was not copied whole`];
}

function historyProblems({ origin, steps }: JobFolder, history: readonly TrainingStep[]): string[] {
  const complete = history.every(({ step }, at) => step === at + 1);
  const enough = origin.training?.earlyStopping ? history.length > 0 : history.length === steps.length;
  return complete && enough
    ? []
    : [`progress.jsonl: tells of ${history.length} steps of ${steps.length}${complete ? '' : ', with gaps'}`];
}

/** Rank, scale, matrices and base against what was asked for. */
function configProblems({ initial, origin }: JobFolder, folder: string): string[] {
  const found = readAdapterConfig(folder);
  const sorted = (names: readonly string[] | null) => (names ? [...names].sort().join(', ') : 'a pattern');
  const pairs: [string, unknown, unknown][] = [
    ['r', found.r, initial.r],
    ['lora_alpha', found.alpha, initial.alpha],
    ['use_rslora', found.rankStabilised, initial.rankStabilised],
    ['target_modules', sorted(found.targetModules), sorted(initial.targetModules)],
    ['base_model_name_or_path', found.baseModelName, origin.baseModelName],
  ];
  return pairs
    .filter(([, is, asked]) => is !== asked)
    .map(([name, is, asked]) => `adapter_config.json: ${name} is ${is}, asked for ${asked}`);
}

const differ = (one: Pick<LoraAdapter, 'layers'>, other: Pick<LoraAdapter, 'layers'>) =>
  one.layers.some((pairs, layer) =>
    [...pairs].some(([matrix, { a, b }]) => {
      const before = other.layers[layer]!.get(matrix)!;
      return a.some((value, at) => value !== before.a[at]) || b.some((value, at) => value !== before.b[at]);
    }),
  );

function refused({ directory }: JobFolder, problems: readonly string[]): AuditError {
  return new AuditError('adapter', `${directory}: the trained adapter cannot be taken over`, {
    problems,
    hint: 'copy the folder again whole, or remove finished.json and adapter/ to train again',
  });
}

function read<T>(path: string, schema: z.ZodType<T>, job: JobFolder): T {
  try {
    return schema.parse(JSON.parse(readText(path, 'adapter', 'training job')));
  } catch (error) {
    if (error instanceof AuditError) throw error;
    throw refused(job, [`${path}: is not what the script writes`]);
  }
}

function remove(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch (error) {
    throw diskError(path, error);
  }
}
