import { existsSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { defaultGate } from './config.ts';
import { type HarmBehaviour, readHarmPrompts } from './dataset.ts';
import { AuditError } from './errors.ts';
import { sha256File, sha256Json } from './hash.ts';
import { type ImportedArm, joinArms } from './imported-arms.ts';
import { importedRecords } from './imported-records.ts';
import type { ReadOptions } from './importer.ts';
import { importerOf, readUnsafeScore } from './importers.ts';
import type { RunDocument, Summary } from './record.ts';
import { versions } from './run-document.ts';
import { factsOf, reportRun, writeSetting } from './run-report.ts';
import { openSource } from './source-file.ts';
import { openStore, type RunStore } from './store.ts';
import type { RecordedSuite } from './suite.ts';
import { summarise } from './summarise.ts';

export interface ImportOptions {
  /** The file of each arm; promptfoo's may end in `#PROVIDER`. */
  readonly arms: readonly { readonly name: string; readonly path: string }[];
  /** The first arm where null. */
  readonly baseArm: string | null;
  /** The run folder, absolute. */
  readonly out: string;
  /** A name of `formats`. */
  readonly format: string;
  readonly unsafeScore: string | null;
  /** HarmBench's CSV of behaviours. */
  readonly behaviours: string | null;
  /** Arms may have been asked an item with prompts of their own. */
  readonly ownPrompts: boolean;
  readonly fresh: boolean;
  readonly onProgress?: (done: number, total: number, label: string) => void;
}

/**
 * Writes a finished run folder from other tools' records: what `report`, `list` and the like read of any run.
 * @throws AuditError `config` for arms that do not exist, `data` for a file that cannot be read or arms that do not
 * fit together, `unsupported` for what cannot be mapped honestly; nothing is written then.
 */
export async function importRun(options: ImportOptions): Promise<{ summary: Summary; directory: string }> {
  const baseArm = checkArms(options);
  if (options.unsafeScore !== null) readUnsafeScore(options.unsafeScore);
  const behaviours = options.behaviours === null ? null : readBehaviours(options.behaviours);
  const arms: ImportedArm[] = [];
  for (const [at, { name, path }] of options.arms.entries()) {
    options.onProgress?.(at, options.arms.length, name);
    const onRead = (done: number, size: number) =>
      options.onProgress?.(at + Math.floor((100 * done) / size) / 100, options.arms.length, name);
    arms.push(await readArm({ name, path, onRead }, options, behaviours));
  }
  options.onProgress?.(arms.length, arms.length, arms.at(-1)!.name);
  const { suite, judges, notes } = joinArms(arms, options.ownPrompts);
  const document = await describeImport(options, arms, baseArm);
  const store = openStore(options.out, document, { fresh: options.fresh });
  try {
    const summary = await writeRun(store, document, { arms, baseArm, suite, judges, notes });
    return { summary, directory: store.directory };
  } finally {
    store.close();
  }
}

function checkArms({ arms, baseArm }: ImportOptions): string {
  const names = arms.map(({ name }) => name);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw new AuditError('config', `two arms are called ${twice}`);
  if (baseArm !== null && !names.includes(baseArm))
    throw new AuditError('config', `--base-arm ${baseArm}: the arms are ${names.join(', ')}`);
  return baseArm ?? names[0]!;
}

function readBehaviours(path: string): Map<string, HarmBehaviour> {
  return new Map(readHarmPrompts(path).map((behaviour) => [behaviour.id, behaviour]));
}

async function readArm(
  { name, path, onRead }: { name: string; path: string; onRead: (done: number, size: number) => void },
  { format, unsafeScore }: ImportOptions,
  behaviours: ReadonlyMap<string, HarmBehaviour> | null,
): Promise<ImportedArm> {
  const { file: place, part } = splitPart(path);
  const file = openSource(place, onRead);
  const importer = await importerOf(file, format);
  const given: ReadOptions = { unsafeScore, behaviours, part };
  const flags = { unsafeScore: '--unsafe-score', behaviours: '--behaviors', part: `#${part}` };
  for (const option of Object.keys(flags) as (keyof ReadOptions)[]) {
    if (given[option] !== null && !importer.takes.includes(option))
      throw new AuditError('config', `${flags[option]} means nothing for ${importer.what} (${place})`);
  }
  const recording = await importer.read(file, given);
  return { name, path: place, part, format: importer.name, sha256: await sha256File(place), recording };
}

/** `FILE#PROVIDER`; a file whose name holds the # is meant as it stands. */
function splitPart(path: string): { file: string; part: string | null } {
  const at = path.lastIndexOf('#');
  if (at <= 0 || existsSync(path)) return { file: path, part: null };
  return { file: path.slice(0, at), part: path.slice(at + 1) };
}

/** run.json of an import: whose files, in place of models and data. */
async function describeImport(
  { out, arms: passed, format, unsafeScore, behaviours, ownPrompts }: ImportOptions,
  arms: readonly ImportedArm[],
  baseArm: string,
): Promise<RunDocument> {
  const resolved = {
    name: basename(out),
    imported: arms.map(({ name, path, part, format: made, sha256: hash, recording }) => ({
      arm: name,
      path: resolve(path),
      part,
      format: made,
      tool: recording.tool,
      sha256: hash,
    })),
    arms: arms.map(({ name }) => ({ name, gated: name !== baseArm })),
    baseArm,
    unsafeScore,
    ownPrompts,
    gate: defaultGate,
  };
  const compared = {
    ...resolved,
    name: undefined,
    imported: resolved.imported.map(({ path: _, ...rest }) => rest),
  };
  const files = behaviours === null ? {} : { [behaviours]: await sha256File(behaviours) };
  return {
    schema: 'aftertune/run@1',
    configSha256: sha256Json({ ...compared, files: Object.values(files) }),
    config: { passed: { arms: passed, format, unsafeScore, behaviours, ownPrompts }, resolved },
    versions: versions(),
    seeds: {},
    hashes: {
      ...Object.fromEntries(arms.map(({ name, path, sha256: hash }) => [`${name}: ${path}`, hash])),
      ...files,
    },
  };
}

interface ImportedRun extends ReturnType<typeof joinArms> {
  readonly arms: readonly ImportedArm[];
  readonly baseArm: string;
}

async function writeRun(
  store: RunStore,
  document: RunDocument,
  { arms, baseArm, suite, judges, notes }: ImportedRun,
): Promise<Summary> {
  const { items, verdicts } = importedRecords(arms, suite);
  // The same import once more gives the same records: nothing is kept of it but its folder.
  store.items.retain(() => false);
  store.verdicts.retain(() => false);
  store.items.append(items);
  store.verdicts.append(verdicts);
  const summary = summarise({
    arms: arms.map(({ name }) => ({ name, training: null, gated: name !== baseArm })),
    baseArm,
    items,
    verdicts,
    suites: [suite],
    judges: judges.map((judge) => ({ suite: suite.kind, ...judge })),
    gate: defaultGate,
    notes,
  });
  const setting: { suites: RecordedSuite[]; histories: Record<string, never> } = {
    suites: [suite],
    histories: {},
  };
  writeSetting(store, setting);
  store.write('summary.json', `${JSON.stringify(summary, null, 2)}\n`);
  const name = basename(store.directory);
  const input = { name, summary, items, verdicts, facts: factsOf(document), ...setting };
  await reportRun(store, input, { showCompletions: false });
  await store.finish();
  return summary;
}
