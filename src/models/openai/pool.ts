import { AuditError, throwIfAborted } from '../../errors.ts';
import type { Spending } from '../../spending.ts';
import type { Budget } from './budget.ts';
import { type Connection, type Failure, failure, type Reply, refusal, send } from './connection.ts';
import { isWell } from './health.ts';
import { backOffMs, pause } from './pause.ts';
import type { Places } from './places.ts';

/** One address of a pool, and its share of the requests. */
export interface Member {
  readonly connection: Connection;
  readonly weight: number;
}

export interface PoolSettings {
  readonly members: readonly Member[];
  /** How often one answer is asked for before it is given up. */
  readonly attempts: number;
  readonly places: Places;
  readonly budget: Budget | null;
  /** The first pause after a failure, and half of that before a server which cannot be reached is looked at; they double. */
  readonly backoffMs: number;
}

/** One thing to ask. */
export interface Question<T> {
  readonly path: string;
  readonly body: object;
  /** The model that is asked, for people. */
  readonly name: string;
  /** What a successful body says; null where it is not whole: asked again. */
  readonly read: (text: string) => T | null;
  /** A reply without success that is an answer all the same. */
  readonly accept?: (reply: Reply) => T | null;
  /** The most it can cost, counted where there is a budget; without it none is charged. */
  readonly most?: () => Tokens;
  readonly cost?: (answer: T) => Tokens;
}
type Tokens = Omit<Spending, 'requests'>;

/** Servers of the same model, asked in turn by weight. */
export interface Pool {
  /**
   * @throws AuditError `model` for a failure of this request alone, after every attempt, `data` where a server refuses it
   * for what it holds; `network` when no server can be reached; `budget` when it is spent; `config` when a server
   * refuses the key or knows no such model.
   */
  ask<T>(question: Question<T>, signal: AbortSignal | undefined): Promise<T>;
  /** Stops looking after servers that are away. */
  close(): void;
}

interface Place extends Member {
  underWay: number;
  asked: number;
  /** In a row, checks included. */
  failures: number;
  /** It was silent: not asked until it is well, unless there is no other. */
  away: boolean;
  /** It is being looked after: once, however often it comes and goes meanwhile. */
  minded: boolean;
}

/** An outage takes longer than a hiccup: five attempts last 15 to 30 s. */
const outageFactor = 4;
/** Longest time that a server which cannot be reached is left alone between two looks at it. */
const longestRestMs = 60_000;

export function createPool({ members, attempts, places, budget, backoffMs }: PoolSettings): Pool {
  const servers: Place[] = members.map((member) => ({
    ...member,
    ...{ underWay: 0, asked: 0, failures: 0, away: false, minded: false },
  }));
  const closing = new AbortController();
  const models = new Set<string>();
  const note = (server: Place, reached: boolean) => {
    if (reached) Object.assign(server, { failures: 0, away: false });
    if (reached || server.away) return;
    server.failures++;
    server.away = true;
    // Nobody takes over from the only one: every request tries it.
    if (servers.length > 1 && !server.minded) void lookAfter(server, models, 2 * backoffMs, closing.signal);
  };
  const tryOnce = async <T>(question: Question<T>, signal: AbortSignal | undefined) => {
    await places.take(signal);
    const server = choose(servers);
    server.underWay++;
    server.asked++;
    let how: Parameters<Places['leave']>[0] = 'well';
    try {
      const most = budget ? question.most?.() : undefined;
      if (most) budget?.reserve(most);
      const started = performance.now();
      const outcome = await attempt(server.connection, question, signal);
      const answered = 'value' in outcome;
      if (most) budget?.settle(most, answered ? (question.cost?.(outcome.value) ?? most) : nothing);
      note(server, answered || !outcome.silent);
      const seconds = (performance.now() - started) / 1000;
      if (!answered && outcome.busy) how = 'busy';
      else if (seconds > server.connection.timeoutSeconds / 2) how = 'slow';
      return outcome;
    } finally {
      server.underWay--;
      places.leave(how);
    }
  };
  return {
    close: () => closing.abort(),
    ask: async (question, signal) => {
      if ('model' in question.body) models.add(String(question.body.model));
      for (let attempt = 1; ; attempt++) {
        throwIfAborted(signal);
        const outcome = await tryOnce(question, signal);
        if ('value' in outcome) return outcome.value;
        if (!outcome.again || attempt >= attempts)
          throw named(await ofThisAlone(outcome.error, servers, signal), question.name);
        const elsewhere = outcome.silent && servers.some(isUp);
        const firstMs = outcome.away ? outageFactor * backoffMs : backoffMs;
        const waitMs = Math.max(outcome.waitMs, backOffMs(question.body, attempt, firstMs));
        await pause(elsewhere ? 0 : waitMs, signal);
      }
    },
  };
}

const nothing: Tokens = { read: 0, written: 0 };

async function attempt<T>(
  connection: Connection,
  { path, body, name, read, accept }: Question<T>,
  signal: AbortSignal | undefined,
): Promise<{ value: T } | Failure> {
  const reply = await send(connection, path, body, signal);
  if ('error' in reply) return reply;
  const success = reply.status >= 200 && reply.status < 300;
  const value = success ? read(reply.text) : (accept?.(reply) ?? null);
  if (value !== null) return { value };
  if (success) return failure(`what it sent is not a whole answer (${reply.text.length} characters)`, true);
  const asked = 'model' in body ? String(body.model) : name;
  return refusal(connection, asked, reply, reply.headers);
}

const isUp = ({ away }: Place) => !away;

/** The one with the fewest requests under way for its weight, then so far, among those that can be reached. */
function choose(servers: readonly Place[]): Place {
  const up = servers.filter(isUp);
  const load = ({ underWay, weight }: Place) => underWay / weight;
  const share = ({ asked, weight }: Place) => asked / weight;
  const [first] = (up.length > 0 ? up : servers).toSorted((a, b) => load(a) - load(b) || share(a) - share(b));
  return first!;
}

/** Looks at a server that is away, less and less often, until it is well; it must last, or the next look comes later. */
async function lookAfter(
  server: Place,
  models: ReadonlySet<string>,
  restMs: number,
  closing: AbortSignal,
): Promise<void> {
  server.minded = true;
  while (server.away && !closing.aborted) {
    await pause(Math.min(longestRestMs, restMs * 2 ** (server.failures - 1)), closing);
    if (!server.away || closing.aborted) continue;
    if (await isWell(server.connection, models)) server.away = false;
    else server.failures++;
  }
  server.minded = false;
}

/** A connection that broke off at every attempt, while a server still says what models it has, is this request's failure. */
async function ofThisAlone(
  error: AuditError,
  servers: readonly Place[],
  signal: AbortSignal | undefined,
): Promise<AuditError> {
  if (error.code !== 'network') return error;
  for (const { connection } of servers) {
    if (!('error' in (await send(connection, 'models', null, signal))))
      return new AuditError('model', 'the connection broke off at every attempt', { cause: error });
  }
  return error;
}

/** A failure of one request with who was asked. */
function named(error: AuditError, name: string): AuditError {
  if (error.code !== 'model' && error.code !== 'data') return error;
  return new AuditError(error.code, `${name}: ${error.message}`, { cause: error });
}
