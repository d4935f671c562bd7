import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { AuditError } from '../../errors.ts';
import { sha256, sha256File } from '../../hash.ts';
import { type Connection, hurried, send } from './connection.ts';
import { isNamed, type ListedModel, listModels } from './models-list.ts';

/** Adapters on a server: those it lists, and those that it is asked to load. */

/** An adapter as a server has it. */
export interface ServedAdapter {
  /** The name to ask it by. */
  readonly name: string;
  /** Whether it was loaded for us, and should be unloaded. */
  readonly loaded: boolean;
}

const ours = 'aftertune-';

/**
 * The name under which a folder is loaded: the same on every server and at every start, and another once its weights
 * are others, where they can be read here: a server may still hold what was loaded before.
 */
async function adapterName(folder: string): Promise<string> {
  const weights = join(folder, 'adapter_model.safetensors');
  const content = existsSync(weights) ? await sha256File(weights) : '';
  return `${ours}${basename(folder).replaceAll(/[^\w.-]/g, '-')}-${sha256(folder + content).slice(0, 8)}`;
}

/**
 * Finds an adapter by the name or the folder that the server lists, or has the server load it as a folder.
 * That it answers 200 proves little: it must be listed afterwards, and the canary has the last word.
 * @throws AuditError `adapter` where the server does not have it and does not load it.
 * Source: vLLM's documentation, "LoRA Adapters" (dynamic serving, lineage in the model card).
 */
export async function findAdapter(
  connection: Connection,
  base: string,
  adapter: string,
  signal?: AbortSignal,
): Promise<ServedAdapter> {
  const listed = await listModels(connection, adapter, signal);
  const name = await adapterName(adapter);
  const known = listed?.find(
    (one) => isNamed(one, adapter) || one.id === name || (one.root === adapter && !one.id.startsWith(ours)),
  );
  if (known) {
    refuseOtherParent(connection, base, known, listed ?? []);
    return { name: known.id, loaded: known.id === name };
  }
  if (!adapter.includes('/')) {
    if (listed === null) return { name: adapter, loaded: false };
    throw notThere(connection, adapter, listed);
  }
  await load(connection, name, adapter, signal);
  const after = await listModels(connection, adapter, signal);
  const card = after?.find(({ id }) => id === name);
  if (after && !card)
    throw new AuditError(
      'adapter',
      `${connection.endpoint} said that it loaded ${adapter} and does not list it`,
      {
        hint: 'look into the server’s log: the folder may not be an adapter of this base',
      },
    );
  if (card) refuseOtherParent(connection, base, card, after ?? []);
  return { name, loaded: true };
}

const loading =
  'a folder that the server itself can read, with vLLM started as VLLM_ALLOW_RUNTIME_LORA_UPDATING=True vllm serve … --enable-lora --max-lora-rank R; aftertune serve --adapter NAME=DIR serves base and adapters too; llama-server’s --lora has no names to ask by; for Ollama write the merged checkpoint (aftertune merge) and name what ollama create makes of it';

/** Asks for nothing to be loaded: a server that can load says what is lacking. @throws AuditError `adapter` where it cannot. */
export async function refuseWithoutLoading(connection: Connection): Promise<void> {
  const reply = await send(connection, 'load_lora_adapter', { lora_name: '', lora_path: '' }, undefined);
  if ('error' in reply) throw reply.error;
  if (reply.status !== 404 && reply.status !== 405) return;
  throw new AuditError('adapter', `${connection.endpoint} does not load adapters: ${reply.status}`, {
    hint: `an arm that is trained here is asked as ${loading}. Or train first (aftertune train), then give model.adapters`,
  });
}

async function load(
  connection: Connection,
  name: string,
  folder: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const body = { lora_name: name, lora_path: folder };
  const reply = await send(connection, 'load_lora_adapter', body, signal);
  if ('error' in reply) throw reply.error;
  if (reply.status === 200) return;
  const said = reply.text.replace(/\s+/g, ' ').slice(0, 200);
  if (/already.{0,20}loaded/i.test(said)) return;
  throw new AuditError('adapter', `${connection.endpoint} does not load ${folder}: ${reply.status} ${said}`, {
    hint: `give the name of a model that it lists; or ${loading}`,
  });
}

/** Unloads what was loaded for us; a server that is gone by then has nothing to unload. */
export async function unloadAdapter(connection: Connection, name: string): Promise<void> {
  await send(hurried(connection), 'unload_lora_adapter', { lora_name: name }, undefined);
}

/** A base may be listed under several names: those have one root. */
function refuseOtherParent(
  { endpoint }: Connection,
  base: string,
  { id, parent }: ListedModel,
  listed: readonly ListedModel[],
): void {
  if (!parent || parent === base) return;
  const rootOf = (name: string) => listed.find((one) => one.id === name)?.root;
  if (rootOf(parent) && rootOf(parent) === rootOf(base)) return;
  throw new AuditError('adapter', `${endpoint}: ${id} is an adapter of ${parent}, not of ${base}`, {
    hint: 'arms are compared with their own base: correct model.base or model.adapters',
  });
}

function notThere({ endpoint }: Connection, name: string, listed: readonly ListedModel[]): AuditError {
  return new AuditError('adapter', `${endpoint} has no model ${name}`, {
    hint: `it lists ${listed.map(({ id }) => id).join(', ') || 'none'}; a folder that it is to load has a slash in it`,
  });
}
