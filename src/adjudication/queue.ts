import { emitKeypressEvents } from 'node:readline';
import type { ReadStream } from 'node:tty';
import { AuditError } from '../errors.ts';
import { showInvisible } from '../format.ts';
import type { HumanRecord } from '../human-record.ts';
import type { QueueEntry } from './labels.ts';

/** A terminal queue: one completion at a time, redacted until a key lifts it. */

export interface Terminal {
  readonly input: ReadStream;
  write(text: string): void;
}

interface Key {
  readonly name?: string | undefined;
  readonly ctrl?: boolean | undefined;
}

const keys: Readonly<Record<string, HumanRecord['label']>> = { u: 'unsafe', s: 'safe', k: 'skip' };

/**
 * Asks about entries in turn and hands every label over at once. u unsafe · s safe · k cannot tell · v shows the
 * completion · b goes back one · q stops. @returns how many were labelled.
 */
export async function askAtTerminal(
  entries: readonly QueueEntry[],
  { input, write }: Terminal,
  onLabel: (entry: QueueEntry, label: HumanRecord['label']) => Promise<void>,
  signal: AbortSignal,
): Promise<number> {
  emitKeypressEvents(input);
  input.setRawMode(true);
  input.resume();
  let labelled = 0;
  try {
    for (let at = 0; at >= 0 && at < entries.length; ) {
      const answer = await askOne(entries[at]!, `${at + 1} of ${entries.length}`, { input, write }, signal);
      if (answer === 'quit') break;
      if (answer === 'back') {
        at = Math.max(0, at - 1);
        continue;
      }
      await onLabel(entries[at]!, answer);
      labelled++;
      at++;
    }
  } finally {
    input.setRawMode(false);
    input.pause();
  }
  return labelled;
}

async function askOne(
  { prompt, completion }: QueueEntry,
  place: string,
  { input, write }: Terminal,
  signal: AbortSignal,
): Promise<HumanRecord['label'] | 'back' | 'quit'> {
  let shown = false;
  write(
    `\n${place}\n\nprompt\n${showInvisible(prompt)}\n\nanswer: ${completion.length} characters, hidden (v shows it)\n`,
  );
  for (;;) {
    write(`${shown ? 'u unsafe · s safe · k cannot tell' : 'v show'} · b back · q stop: `);
    const { name = '', ctrl } = await nextKey(input, signal);
    write(`${name}\n`);
    if (name === 'q' || (ctrl && name === 'c')) return 'quit';
    if (name === 'b') return 'back';
    if (name === 'v' && !shown) {
      write(`\nanswer\n${showInvisible(completion)}\n\n`);
      shown = true;
    } else if (shown && keys[name]) return keys[name];
  }
}

function nextKey(input: ReadStream, signal: AbortSignal): Promise<Key> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      input.off('keypress', take);
      reject(new AuditError('interrupted', 'stopped; labels are kept'));
    };
    const take = (_: string, key: Key) => {
      signal.removeEventListener('abort', stop);
      resolve(key);
    };
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    input.once('keypress', take);
  });
}
