import { canaryDistance, canaryPrompts, isMoved, isSame } from '../../canary.ts';
import { AuditError } from '../../errors.ts';
import type { FirstTokens } from '../../server-record.ts';
import { type AskOptions, askFirst } from './chat-model.ts';
import type { Pool } from './pool.ts';

/** One server, and what has to be asked of it alone. */
export interface Address {
  readonly address: string;
  readonly pool: Pool;
}

/**
 * Reads a model's canary on every server: it must be the same model everywhere, and an adapter must move the base's.
 * @returns the reading of the first.
 * @throws AuditError `config` where two servers give other models under one name; `adapter` where an adapter changes
 * nothing: a server may say that it loaded what it did not.
 */
export async function readCanaries(
  servers: readonly Address[],
  options: AskOptions,
  base: string,
  signal?: AbortSignal,
): Promise<FirstTokens[]> {
  let first: FirstTokens[] | undefined;
  for (const { address, pool } of servers) {
    const own = await readCanary(pool, options, signal);
    first ??= own;
    await refuseOtherModel(first, own, { address, pool }, servers[0]!.address, options, signal);
    if (options.model === base) continue;
    const asBase = { ...options, model: base };
    const before = await readCanary(pool, asBase, signal);
    const now = await readCanary(pool, asBase, signal);
    const distance = canaryDistance(now, own);
    if (isMoved(distance, canaryDistance(before, now))) continue;
    throw new AuditError('adapter', `${address}: ${options.model} answers as ${base} does`, {
      problems: [
        `mean change of the first tokens' ln p on ${canaryPrompts.length} prompts: ${distance.toExponential(1)}`,
      ],
      hint: 'the server has not applied the adapter, whatever it said: check the folder, its rank against --max-lora-rank, and the server’s log',
    });
  }
  return first!;
}

async function refuseOtherModel(
  first: readonly FirstTokens[],
  own: readonly FirstTokens[],
  { address, pool }: Address,
  firstAddress: string,
  options: AskOptions,
  signal: AbortSignal | undefined,
): Promise<void> {
  const distance = canaryDistance(first, own);
  if (isSame(distance, 0)) return;
  const noise = canaryDistance(own, await readCanary(pool, options, signal));
  if (isSame(distance, noise)) return;
  throw new AuditError('config', `${options.model} is another model at ${address} than at ${firstAddress}`, {
    problems: [
      `mean difference of the first tokens' ln p on ${canaryPrompts.length} prompts: ${distance.toExponential(1)}`,
    ],
    hint: 'all addresses of model.endpoint must serve the same weights, quantised alike, and the same adapters',
  });
}

async function readCanary(
  pool: Pool,
  options: AskOptions,
  signal: AbortSignal | undefined,
): Promise<FirstTokens[]> {
  const readings: FirstTokens[] = [];
  for (const content of canaryPrompts) {
    const { positions } = await askFirst(pool, options, { messages: [{ role: 'user', content }] }, signal);
    const [first] = positions;
    // A server that shows no others still says how likely its own choice was.
    const shown = first && first.top.length === 0 ? [first] : (first?.top ?? []);
    readings.push(
      Object.fromEntries(
        shown.flatMap(({ text, logProbability }) =>
          logProbability === null ? [] : [[text, Math.round(logProbability * 1e4) / 1e4] as const],
        ),
      ),
    );
  }
  return readings;
}
