import { Worker } from 'node:worker_threads';
import { AuditError } from '../errors.ts';
import type { Engine } from './engine.ts';
import type { Request, Response, SentError } from './worker.ts';

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly onProgress: ((value: unknown) => void) | undefined;
}

/**
 * A worker takes over this process's flags unless it is given some, and of those it refuses what concerns the whole
 * process (--max-old-space-size). They are given only where one must not be taken over: --input-type, beside a file.
 */
function inheritedFlags(): { execArgv?: string[] } {
  const { execArgv } = process;
  const tells = (flag: string | undefined) => flag?.startsWith('--input-type') ?? false;
  if (!execArgv.some(tells)) return {};
  return {
    execArgv: execArgv.filter((flag, at) => !tells(flag) && execArgv[at - 1] !== '--input-type'),
  };
}

/** The worker is compiled JavaScript also when this file runs as TypeScript under a test runner. */
function workerUrl(): URL {
  const compiled = import.meta.url.endsWith('.js');
  return new URL(compiled ? './worker.js' : '../../dist/lm/worker.js', import.meta.url);
}

function received({ message, stack, audit }: SentError): Error {
  if (audit)
    return new AuditError(audit.code, message, {
      ...(audit.hint ? { hint: audit.hint } : {}),
      problems: audit.problems,
    });
  const error = new Error(message);
  if (stack) error.stack = stack;
  return error;
}

/** What ends a thread from outside is no bug: memory that ran out, or somebody's hand. */
function gone(how: string): AuditError {
  return new AuditError('engine', `the engine’s thread ${how}`, {
    hint: 'what was finished is kept, and the same command goes on; if memory is short, set model.memory: low or a smaller batchSize',
  });
}

function outOfMemory(error: unknown): AuditError | null {
  return (error as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY'
    ? gone('ran out of memory')
    : null;
}

/** Starts an engine in a worker thread. It never keeps the process alive while nothing is asked of it. */
export function startEngine(): Engine {
  const worker = new Worker(workerUrl(), inheritedFlags());
  worker.unref();
  const pending = new Map<number, Pending>();
  let ids = 0;
  let ended: { readonly error: unknown } | null = null;
  const fail = (error: unknown) => {
    ended ??= { error };
    for (const { reject } of pending.values()) reject(error);
    pending.clear();
  };
  worker.on('error', (error) => fail(outOfMemory(error) ?? error));
  worker.on('exit', (code) => fail(gone(`ended with code ${code}`)));
  worker.on('messageerror', fail);
  worker.on('message', (response: Response) => {
    const waiting = pending.get(response.id);
    if (!waiting) return;
    if (response.type === 'progress') {
      waiting.onProgress?.(response.value);
      return;
    }
    if (response.type === 'result') waiting.resolve(response.value);
    else waiting.reject(received(response.error));
  });

  const call = async (
    method: keyof Engine,
    args: readonly unknown[],
    onProgress?: (value: unknown) => void,
    signal?: AbortSignal,
  ) => {
    const id = ++ids;
    const post = (request: Request) => worker.postMessage(request);
    const cancel = () => post({ type: 'cancel', id });
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      return await new Promise<unknown>((resolve, reject) => {
        if (ended) throw ended.error;
        pending.set(id, { resolve, reject, onProgress });
        worker.ref();
        post({ type: 'call', id, method, args });
        if (signal?.aborted) cancel();
      });
    } finally {
      pending.delete(id);
      if (!pending.size) worker.unref();
      signal?.removeEventListener('abort', cancel);
    }
  };
  type Report = (value: unknown) => void;
  return {
    open: (...args) => call('open', args) as ReturnType<Engine['open']>,
    render: (...args) => call('render', args) as ReturnType<Engine['render']>,
    tokenTexts: (...args) => call('tokenTexts', args) as ReturnType<Engine['tokenTexts']>,
    generate: (handle, prompts, decoding, signal) =>
      call('generate', [handle, prompts, decoding], undefined, signal) as ReturnType<Engine['generate']>,
    stream: (handle, prompt, decoding, onPart, signal) =>
      call('stream', [handle, prompt, decoding], onPart as Report, signal) as ReturnType<Engine['stream']>,
    loglikelihood: (handle, prompt, continuations, signal) =>
      call('loglikelihood', [handle, prompt, continuations], undefined, signal) as ReturnType<
        Engine['loglikelihood']
      >,
    firstTokenMass: (handle, prompts, tokenIds, signal) =>
      call('firstTokenMass', [handle, prompts, tokenIds], undefined, signal) as ReturnType<
        Engine['firstTokenMass']
      >,
    scoreTokens: (handle, prompts, top, signal) =>
      call('scoreTokens', [handle, prompts, top], undefined, signal) as ReturnType<Engine['scoreTokens']>,
    tokenIds: (...args) => call('tokenIds', args) as ReturnType<Engine['tokenIds']>,
    specialTokens: (...args) => call('specialTokens', args) as ReturnType<Engine['specialTokens']>,
    textsOf: (...args) => call('textsOf', args) as ReturnType<Engine['textsOf']>,
    hiddenStates: (handle, prompts, request, signal) =>
      call('hiddenStates', [handle, prompts, request], undefined, signal) as ReturnType<
        Engine['hiddenStates']
      >,
    train: (job, report, signal) =>
      call('train', [job], report as Report, signal) as ReturnType<Engine['train']>,
    close: (...args) => call('close', args) as ReturnType<Engine['close']>,
  };
}

let shared: Engine | undefined;

/** The process's one engine: models and trainers share it, so a base is loaded once. */
export function sharedEngine(): Engine {
  shared ??= startEngine();
  return shared;
}
