import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { openJournal, readJournal } from '../src/journal.ts';
import { openStore } from '../src/store.ts';
import { auditErrorOf } from './audit-error.ts';
import { emptyRun } from './run-document.ts';
import { temporaryFolder } from './temporary-folder.ts';

/**
 * Bytes that the simulated disk still takes; a write beyond them is cut short, as a kernel does it, then refused.
 * After so many removals of files and folders the process is as good as killed.
 */
const disk = vi.hoisted(() => ({ room: Number.POSITIVE_INFINITY, removals: Number.POSITIVE_INFINITY }));

vi.mock('node:fs', async (importOriginal) => {
  const fs = await importOriginal<typeof import('node:fs')>();
  const writeSync = (descriptor: number, data: Uint8Array, at: number, length: number, position?: number) => {
    if (disk.room <= 0)
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    const written = fs.writeSync(descriptor, data, at, Math.min(length, disk.room), position ?? null);
    disk.room -= written;
    return written;
  };
  const rmSync: typeof fs.rmSync = (path, options) => {
    const counts = fs.existsSync(path) && !String(path).endsWith('.lock');
    if (counts && disk.removals-- <= 0) throw new Error('killed');
    fs.rmSync(path, options);
  };
  return { ...fs, writeSync, rmSync };
});

beforeEach(() => {
  disk.room = Number.POSITIVE_INFINITY;
  disk.removals = Number.POSITIVE_INFINITY;
});

const line = z.object({ batchKey: z.string(), text: z.string() });

test('whatever room is left, what was flushed before is kept and no half line stays', async () => {
  const size = JSON.stringify({ batchKey: 'b', text: 'two' }).length + 1;
  for (let room = 0; room < size; room++) {
    disk.room = Number.POSITIVE_INFINITY;
    const path = join(temporaryFolder(), 'lines.jsonl');
    const journal = openJournal(path, line);
    journal.append([{ batchKey: 'a', text: 'one' }]);
    journal.flush();
    const before = readFileSync(path, 'utf8');
    disk.room = room;
    journal.append([{ batchKey: 'b', text: 'two' }]);
    const expected = {
      code: 'disk',
      message: `${path}: no space left on the disk`,
      problems: [],
      hint: 'free some room, then run the same command again: what was finished is kept',
    };
    expect(await auditErrorOf(() => journal.flush())).toEqual(expected);
    expect(await auditErrorOf(() => journal.append([{ batchKey: 'c', text: 'three' }]))).toEqual(expected);
    expect(await auditErrorOf(() => journal.close())).toEqual(expected);
    expect(readFileSync(path, 'utf8')).toBe(before);
    expect(readJournal(path, line)).toEqual([{ batchKey: 'a', text: 'one' }]);
  }
});

test('a stage that cannot be written is not finished, and is made again once there is room', async () => {
  const directory = join(temporaryFolder(), 'run');
  const store = openStore(directory, emptyRun);
  disk.room = 10;
  expect((await auditErrorOf(() => store.stage('train', { arm: 'a' }, async () => ({ loss: 1 })))).code).toBe(
    'disk',
  );
  disk.room = Number.POSITIVE_INFINITY;
  expect(await store.stage('train', { arm: 'a' }, async () => ({ loss: 2 }))).toEqual({ loss: 2 });
  store.close();
});

test('a run folder that cannot hold run.json leaves no lock behind', async () => {
  const directory = join(temporaryFolder(), 'run');
  disk.room = 10;
  expect((await auditErrorOf(() => openStore(directory, emptyRun))).code).toBe('disk');
  disk.room = Number.POSITIVE_INFINITY;
  openStore(directory, emptyRun).close();
});

test('a wipe that is cut off anywhere leaves a folder that can be wiped again', async () => {
  for (let removals = 0; removals < 6; removals++) {
    disk.removals = Number.POSITIVE_INFINITY;
    const directory = join(temporaryFolder(), 'run');
    const store = openStore(directory, emptyRun);
    store.write('summary.json', '{}');
    store.write('adapters/safe/weights', 'x');
    await store.finish();
    store.close();
    disk.removals = removals;
    expect(() => openStore(directory, emptyRun, { fresh: true })).toThrow('killed');
    disk.removals = Number.POSITIVE_INFINITY;
    openStore(directory, emptyRun, { fresh: true }).close();
  }
});
