import { readablePath, readLock } from '../data/cache.ts';
import { findSource, getData, isIntact, termsOf } from '../data/get.ts';
import { type DataSources, dataSources } from '../data/sources.ts';
import { AuditError, exitCode } from '../errors.ts';
import { textTable } from '../result-table.ts';
import type { Context, Outcome } from './verb.ts';

export interface DataFlags {
  /** The terms are accepted. */
  readonly yes?: boolean | undefined;
  readonly from?: string | undefined;
}

/** `data get NAME` and `data list`; `sources`: other data sets than the package's own. */
export async function data(
  action: string,
  name: string | undefined,
  flags: DataFlags,
  context: Context,
  sources: DataSources = dataSources,
): Promise<Outcome> {
  if (action === 'list') return list(sources);
  if (name === undefined) {
    throw new AuditError('config', 'data get: which data set?', {
      hint: `one of ${Object.keys(sources).join(', ')}`,
    });
  }
  return get(name, flags, context, sources);
}

/** Shows the terms, has them accepted, fetches. @throws AuditError `config` where nobody accepted them. */
async function get(
  name: string,
  { yes = false, from }: DataFlags,
  { onProgress, signal, confirm }: Context,
  sources: DataSources,
): Promise<Outcome> {
  const source = findSource(name, sources);
  const kept = from === undefined && (await isIntact(name, source));
  const terms = termsOf(name, source);
  if (!kept && !(await confirm(terms, 'Accept these terms and download?', yes))) {
    throw new AuditError('config', `${name}: nothing was fetched, since its terms were not accepted`, {
      hint: `aftertune data get ${name} --yes accepts them`,
    });
  }
  const lock = await getData(name, { from, onProgress, signal, sources });
  const path = readablePath(name, source);
  return {
    document: { ...lock, schema: 'aftertune/data-get@1', path, fetched: !kept },
    text: `${kept ? 'is there already' : 'fetched'}: ${path}\n${lock.rows} rows, SHA-256 ${lock.sha256}\nin a config: data:${name} (${source.use})\n`,
    exitCode: exitCode.pass,
  };
}

/** Every data set that is known, and what of it is here. */
async function list(sources: DataSources): Promise<Outcome> {
  const sets = [];
  for (const [name, source] of Object.entries(sources)) {
    const lock = readLock(name);
    const status = lock === null ? 'not fetched' : (await isIntact(name, source)) ? 'fetched' : 'changed';
    const { title, page, revision, licence, gate, warning, use, columns, sha256 } = source;
    sets.push({
      name,
      status,
      title,
      page,
      revision,
      sha256: lock?.sha256 ?? sha256,
      rows: lock?.rows ?? null,
      path: lock && readablePath(name, source),
      licence,
      gate,
      warning,
      use,
      columns,
    });
  }
  const rows = sets.map(({ name, status, rows, revision, licence, title }) => [
    name,
    status,
    rows === null ? '–' : String(rows),
    revision.slice(0, 12),
    licence.split(':')[0]!,
    title,
  ]);
  return {
    document: { schema: 'aftertune/data-list@1', sets },
    text: `${textTable(['name', 'status', 'rows', 'revision', 'licence', 'what'], rows).join('\n')}\n`,
    exitCode: exitCode.pass,
  };
}
