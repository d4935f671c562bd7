import { once } from 'node:events';
import { basename } from 'node:path';
import { type Builtin, builtin as packageParts } from '../builtin.ts';
import { placeModel } from '../commands.ts';
import { AuditError, exitCode } from '../errors.ts';
import { isLoopback } from '../loopback.ts';
import { defaultOptions } from '../model.ts';
import type { ServedModel } from '../serve/served-model.ts';
import { serveModels } from '../serve/server.ts';
import type { Context, Outcome } from './verb.ts';

export interface ServeFlags {
  readonly model: string;
  readonly name?: string | undefined;
  /** NAME=DIR each. */
  readonly adapter: readonly string[];
  /** Every answer is the same to the last bit in whichever company it is computed. */
  readonly batchInvariant?: boolean | undefined;
  readonly host: string;
  readonly port: number;
}

/**
 * Serves a model and adapters of it until a signal comes; the outcome is there once it listens, exit code 0.
 * `finished` rejects when the engine is gone: who supervises the process starts it again.
 */
export async function serve(
  flags: ServeFlags,
  version: string,
  { signal, log = () => {} }: Context,
  builtin: Builtin = packageParts,
): Promise<Outcome> {
  const key = process.env.AFTERTUNE_SERVE_KEY?.trim() || null;
  if (key === null && !isLoopback(flags.host))
    throw new AuditError('config', `--host ${flags.host} can be reached from elsewhere and there is no key`, {
      hint: 'set AFTERTUNE_SERVE_KEY in the environment, or leave --host out',
    });
  const base = placeModel(flags.model);
  const name = flags.name ?? basename(base);
  const adapters = flags.adapter.map(adapterOf);
  const names = [name, ...adapters.map((adapter) => adapter.name)];
  const twice = names.find((one, at) => names.indexOf(one) !== at);
  if (twice !== undefined)
    throw new AuditError('config', `two models are named ${twice}`, { hint: 'rename one: --name, NAME=DIR' });
  const { batchInvariant = false } = flags;
  const source = { ...defaultOptions, engine: 'embedded', path: base, batchSize: 16, batchInvariant };
  const served: ServedModel[] = [];
  const closeModels = async () => {
    for (const { model } of served) await model.close();
  };
  try {
    served.push({
      name,
      root: base,
      parent: null,
      model: await builtin.model({ ...source, adapter: null }),
    });
    for (const { name: own, folder } of adapters) {
      const model = await builtin.model({ ...source, adapter: folder });
      served.push({ name: own, root: folder, parent: name, model });
    }
    const serving = await serveModels(served, { host: flags.host, port: flags.port, key, version, log });
    const finished = (async () => {
      const stopped = signal.aborted ? null : once(signal, 'abort').then(() => null);
      const gone = await Promise.race([stopped, serving.gone]);
      await serving.close();
      if (gone) throw gone;
      await closeModels();
    })();
    return {
      document: { schema: 'aftertune/serve@1', url: serving.url, models: names },
      text: `${serving.url}\nmodels: ${names.join(', ')}\n`,
      exitCode: exitCode.pass,
      finished,
    };
  } catch (error) {
    await closeModels();
    throw error;
  }
}

function adapterOf(text: string): { name: string; folder: string } {
  const at = text.indexOf('=');
  if (at > 0 && at < text.length - 1)
    return { name: text.slice(0, at), folder: placeModel(text.slice(at + 1)) };
  throw new AuditError('config', `--adapter ${text}: expected NAME=DIR`, {
    hint: 'for example --adapter tuned=./my-adapter',
  });
}
