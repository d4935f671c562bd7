import type { Builtin } from './builtin.ts';
import type { Config } from './config.ts';
import type { LanguageModel } from './model.ts';
import type { ServerRecord } from './server-record.ts';

/** The models that the arms of an audit are asked through, whoever runs them. */
export interface ArmModels {
  /** The config's model under an adapter, or untouched. @throws AuditError where it cannot be opened. */
  open(adapter: string | null): Promise<LanguageModel>;
  /** What was found out about the server, where there is one. */
  server(): ServerRecord | null;
  close(): Promise<void>;
}

/** @throws AuditError `network` or `config` where a server cannot be used. */
export async function openArmModels({ model }: Pick<Config, 'model'>, parts: Builtin): Promise<ArmModels> {
  if (!('endpoint' in model)) {
    return {
      open: (adapter) => parts.model({ ...model, adapter }),
      server: () => null,
      close: async () => {},
    };
  }
  const server = await parts.server(model);
  return { open: server.model, server: server.record, close: server.close };
}

/** What a config calls its model: for hashes and messages. */
export function modelName({ model }: Pick<Config, 'model'>): string {
  return 'endpoint' in model ? model.base : model.path;
}
