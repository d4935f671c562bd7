import { parentPort } from 'node:worker_threads';
import { AuditError } from '../errors.ts';
import { createEngine, type Engine } from './engine.ts';

/** What crosses the thread border. The engine's calls block their thread, so it has one of its own. */
export type Request =
  | {
      readonly type: 'call';
      readonly id: number;
      readonly method: keyof Engine;
      readonly args: readonly unknown[];
    }
  | { readonly type: 'cancel'; readonly id: number };

export interface SentError {
  readonly message: string;
  readonly stack: string | undefined;
  /** Present for an AuditError. */
  readonly audit: {
    readonly code: AuditError['code'];
    readonly hint: string | undefined;
    readonly problems: readonly string[];
  } | null;
}

export type Response =
  | { readonly type: 'result'; readonly id: number; readonly value: unknown }
  | { readonly type: 'progress'; readonly id: number; readonly value: unknown }
  | { readonly type: 'error'; readonly id: number; readonly error: SentError };

const port = parentPort;
if (!port) throw new Error('internal: lm/worker.ts runs in a worker thread');
const send = (response: Response) => port.postMessage(response);
const engine = createEngine();
const running = new Map<number, AbortController>();

/** Methods that take a callback behind their arguments, which posts progress here. */
const reporting: ReadonlySet<keyof Engine> = new Set(['train', 'stream']);
/** Methods that take no signal. */
const quick: ReadonlySet<keyof Engine> = new Set([
  'open',
  'render',
  'tokenTexts',
  'tokenIds',
  'textsOf',
  'specialTokens',
  'close',
]);

async function call(
  method: keyof Engine,
  args: readonly unknown[],
  id: number,
  signal: AbortSignal,
): Promise<unknown> {
  const progress = (value: unknown) => send({ type: 'progress', id, value });
  const run = engine[method] as (...given: unknown[]) => Promise<unknown>;
  return run(...args, ...(reporting.has(method) ? [progress] : []), ...(quick.has(method) ? [] : [signal]));
}

port.on('message', (request: Request) => {
  if (request.type === 'cancel') {
    running.get(request.id)?.abort();
    return;
  }
  const { id, method, args } = request;
  const controller = new AbortController();
  running.set(id, controller);
  call(method, args, id, controller.signal)
    .then((value) => send({ type: 'result', id, value }))
    .catch((error: unknown) => {
      const { message, stack } = error instanceof Error ? error : new Error(String(error));
      const audit =
        error instanceof AuditError ? { code: error.code, hint: error.hint, problems: error.problems } : null;
      send({ type: 'error', id, error: { message, stack, audit } });
    })
    .finally(() => running.delete(id));
});
