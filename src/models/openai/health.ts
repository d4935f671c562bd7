import { type Connection, hurried, send } from './connection.ts';
import { isNamed, listModels } from './models-list.ts';

/**
 * Whether a server that failed can be asked again: it does not call itself ill at /health, where it has that, and lists
 * the models that are asked for, where it has a list. One that was started anew may have lost adapters it was made to load.
 */
export async function isWell(connection: Connection, models: Iterable<string>): Promise<boolean> {
  const quick = hurried(connection);
  const health = await send(quick, '/health', null, undefined);
  if ('error' in health || health.status >= 500) return false;
  const listed = await listModels(quick, 'its models').catch(() => undefined);
  if (listed === undefined) return false;
  return !listed?.length || [...models].every((name) => listed.some((one) => isNamed(one, name)));
}
