import type { LanguageModel } from './model.ts';
import type { ServerRecord } from './server-record.ts';

/** A server that runs a base and adapters of it: opened once for an audit, so that all arms share its limits. */
export interface ModelServer {
  /**
   * The base, or the base under an adapter: a model's name there, or a folder that the server loads.
   * @throws AuditError `adapter` where the server does not have it, or it changes nothing.
   */
  model(adapter: string | null): Promise<LanguageModel>;
  /** @throws AuditError `adapter` where it has no way to load a folder, which arms that are trained here need. */
  refuseWithoutLoading(): Promise<void>;
  /** What was found out about it so far. */
  record(): ServerRecord;
  /** Unloads the adapters that it was made to load. */
  close(): Promise<void>;
}
