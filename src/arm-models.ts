import type { Builtin } from './builtin.ts';
import type { Config } from './config.ts';
import { sha256File } from './hash.ts';
import { localPath } from './hub/cache.ts';
import { openCheckpoint } from './lm/checkpoint.ts';
import { readDecoderConfig } from './lm/config.ts';
import type { LanguageModel } from './model.ts';
import type { ServerRecord } from './server-record.ts';

/** The models that the arms of an audit are asked through, whoever runs them. */
export interface ArmModels {
  /** The config's model under an adapter, or untouched. @throws AuditError where it cannot be opened. */
  open(adapter: string | null): Promise<LanguageModel>;
  /** @throws AuditError `adapter` where arms that are trained here could not be asked afterwards. */
  refuseWithoutLoading(): Promise<void>;
  /** What was found out about the server, where there is one. */
  server(): ServerRecord | null;
  close(): Promise<void>;
}

/** @throws AuditError `network` or `config` where a server cannot be used. */
export async function openArmModels(
  { model }: Pick<Config, 'model'>,
  parts: Builtin,
  signal?: AbortSignal,
): Promise<ArmModels> {
  if (!('endpoint' in model)) {
    return {
      open: (adapter) => parts.model({ ...model, adapter }),
      refuseWithoutLoading: async () => {},
      server: () => null,
      close: async () => {},
    };
  }
  const server = await parts.server(model, signal);
  const { model: open, refuseWithoutLoading, record, close } = server;
  return { open, refuseWithoutLoading, server: record, close };
}

/** The weights here of a model behind a server, which arms are trained on; null where there are none. */
export async function servedWeights({
  model,
}: Pick<Config, 'model'>): Promise<{ path: string; sha256: string } | null> {
  if (!('endpoint' in model) || model.weights === undefined) return null;
  const { weights: path } = model;
  const place = await localPath(path);
  if (/\.gguf$/i.test(place)) return { path, sha256: await sha256File(place) };
  const checkpoint = openCheckpoint(place, readDecoderConfig(place));
  try {
    return { path, sha256: await checkpoint.sha256() };
  } finally {
    checkpoint.close();
  }
}

/** What a config calls its model: for hashes and messages. */
export function modelName({ model }: Pick<Config, 'model'>): string {
  return 'endpoint' in model ? model.base : model.path;
}
