import { existsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeFolder } from '../src/files.ts';
import { openStore } from '../src/store.ts';
import { auditErrorOf } from './audit-error.ts';
import { emptyRun } from './run-document.ts';
import { temporaryFolder } from './temporary-folder.ts';

test('makes the folders that are missing, and says which was the first', () => {
  const root = temporaryFolder();
  expect(makeFolder(join(root, 'a', 'b', 'c'))).toBe(join(root, 'a'));
  expect(statSync(join(root, 'a', 'b')).mode & 0o777).toBe(0o700);
  expect(makeFolder(join(root, 'a', 'b', 'd'))).toBe(join(root, 'a', 'b', 'd'));
  expect(makeFolder(join(root, 'a'))).toBeUndefined();
  writeFileSync(join(root, 'file'), '');
  expect(() => makeFolder(join(root, 'file'))).toThrow('EEXIST');
  expect(() => makeFolder(join(root, 'file', 'x'))).toThrow('ENOTDIR');
});

test.skipIf(!existsSync('/proc/self'))(
  'a place that refuses new folders by saying that there is none is told, and not asked for ever',
  async () => {
    const error = await auditErrorOf(async () => openStore('/proc/nothing/runs/x', emptyRun));
    expect(error).toMatchObject({ code: 'disk' });
    expect(error.message).toContain('none can be made');
  },
);
