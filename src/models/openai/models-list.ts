import { z } from 'zod';
import { AuditError } from '../../errors.ts';
import { parseJson } from './chat.ts';
import { type Connection, refusal, send } from './connection.ts';

/** What a server lists at `/models`. */

const listed = z.object({
  id: z.string(),
  owned_by: z.string().nullish().catch(null),
  /** vLLM: where the weights or the adapter lie, and whose adapter it is. */
  root: z.string().nullish().catch(null),
  parent: z.string().nullish().catch(null),
  max_model_len: z.int().nullish().catch(null),
  /** llama-server. */
  meta: z.object({ n_ctx: z.int().nullish(), n_ctx_train: z.int().nullish() }).nullish().catch(null),
});
export type ListedModel = z.output<typeof listed>;

/** Whether it is what a server has under a name; Ollama lists a model that was made without a tag as `NAME:latest`. */
export const isNamed = ({ id }: Pick<ListedModel, 'id'>, name: string): boolean =>
  id === name || id === `${name}:latest`;

const list = z.object({ data: z.array(z.unknown()) });

/** Null where the server has no such list. @throws AuditError `network`, or `config` where it refuses the key. */
export async function listModels(
  connection: Connection,
  name: string,
  signal?: AbortSignal,
): Promise<ListedModel[] | null> {
  const reply = await send(connection, 'models', null, signal);
  if ('error' in reply) throw reply.error;
  if (reply.status === 401 || reply.status === 403)
    throw refusal(connection, name, reply, reply.headers).error;
  if (reply.status >= 500) throw busyError(connection, reply.status);
  const parsed = list.safeParse(parseJson(reply.text));
  if (reply.status !== 200 || !parsed.success) return null;
  return parsed.data.data.flatMap((one) => {
    const model = listed.safeParse(one);
    return model.success ? [model.data] : [];
  });
}

/**
 * A model as its server lists it; undefined where the server has no list.
 * `key`: of the config, which holds the name. @throws AuditError `config` where it lists others only; as `listModels`.
 */
export async function findModel(
  connection: Connection,
  name: string,
  key: string,
  signal?: AbortSignal,
): Promise<ListedModel | undefined> {
  const listed = await listModels(connection, name, signal);
  const card = listed?.find((one) => isNamed(one, name));
  if (!listed || listed.length === 0 || card) return card;
  throw new AuditError('config', `${connection.endpoint} has no model ${name}`, {
    hint: `set ${key} to one that it lists: ${listed.map(({ id }) => id).join(', ')}`,
  });
}

const loaded = z.object({
  models: z.array(z.object({ name: z.string(), context_length: z.int().min(1).nullish().catch(null) })),
});

/** Ollama: the context, in tokens, that a model was loaded with; null where it does not say. */
export async function loadedContext(connection: Connection, name: string): Promise<number | null> {
  const reply = await send(connection, '/api/ps', null, undefined);
  const parsed = loaded.safeParse('error' in reply ? null : parseJson(reply.text));
  const model = parsed.data?.models.find((one) => isNamed({ id: one.name }, name));
  return model?.context_length ?? null;
}

function busyError({ endpoint }: Connection, status: number): AuditError {
  return new AuditError(
    'network',
    `${endpoint} is not ready: it answers ${status} when asked for its models`,
    {
      hint: 'wait until the server has loaded its model, then run the same command again',
    },
  );
}
