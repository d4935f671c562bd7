import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { beforeEach, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { openJournal } from '../src/journal.ts';
import { temporaryFolder } from './temporary-folder.ts';

/** Group commit: an fsync covers every line within 50 ms, or once 256 of them wait. */

let syncs = 0;
let delayMs = 0;
/** What a sync beside the main thread comes to. */
let failing: Error | null = null;
vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>();
  return {
    ...fs,
    fsyncSync: (descriptor: number) => {
      syncs++;
      fs.fsyncSync(descriptor);
    },
    fsync: (descriptor: number, done: (error: Error | null) => void) => {
      syncs++;
      setTimeout(() => (failing ? done(failing) : fs.fsync(descriptor, done)), delayMs);
    },
  };
});

const line = z.object({ batchKey: z.string(), text: z.string() });
const lines = (count: number) => Array.from({ length: count }, (_, i) => ({ batchKey: 'a', text: `${i}` }));
const open = () => openJournal(join(temporaryFolder(), 'lines.jsonl'), line);
beforeEach(() => {
  syncs = 0;
  delayMs = 0;
  failing = null;
});

test('256 lines are synced at once, and those before them with them', () => {
  const journal = open();
  journal.append(lines(127));
  expect(syncs).toBe(0);
  journal.append(lines(129));
  expect(syncs).toBe(1);
  journal.close();
  expect(syncs).toBe(1);
});

test('half as many are synced beside the main thread, which waits when 256 have come before that is done', () => {
  delayMs = 40;
  const journal = open();
  journal.append(lines(128));
  expect(syncs).toBe(1);
  journal.append(lines(127));
  expect(syncs).toBe(1);
  journal.append(lines(1));
  expect(syncs).toBe(2);
  journal.close();
  expect(syncs).toBe(2);
});

test('fewer are synced by themselves, once for all of them', async () => {
  const journal = open();
  journal.append(lines(1));
  journal.append(lines(1));
  expect(syncs).toBe(0);
  for (let tries = 0; tries < 100 && syncs === 0; tries++) await wait(20);
  expect(syncs).toBe(1);
  await wait(120);
  expect(syncs).toBe(1);
  journal.close();
});

test('flush and close sync what waits, and nothing twice', () => {
  const journal = open();
  journal.append(lines(3));
  journal.flush();
  expect(syncs).toBe(1);
  journal.flush();
  expect(syncs).toBe(1);
  journal.append(lines(1));
  journal.close();
  expect(syncs).toBe(2);
});

test('a sync that is under way when the journal is flushed, written and closed leaves nothing behind', async () => {
  delayMs = 10;
  const journal = open();
  journal.append(lines(1));
  for (let tries = 0; tries < 100 && syncs === 0; tries++) await wait(5);
  journal.flush();
  journal.append(lines(1));
  await wait(25);
  journal.append(lines(1));
  journal.close();
  const before = syncs;
  // A timer that outlives the journal would sync a closed file, and end the process.
  await wait(200);
  expect(syncs).toBe(before);
});

test('a sync of a file that was rewritten meanwhile, and so closed under it, is no failure of the new one', async () => {
  const journal = open();
  journal.append(lines(128));
  failing = Object.assign(new Error('EBADF: bad file descriptor, fsync'), { code: 'EBADF' });
  journal.retain(({ text }) => text !== '7');
  await wait(20);
  failing = null;
  journal.append(lines(1));
  expect(journal.records()).toHaveLength(128);
  journal.close();
});
