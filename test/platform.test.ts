import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { packageRoot } from '../src/files.ts';
import { temporaryFile } from './temporary-folder.ts';

const cli = join(packageRoot, 'dist/cli.js');

/** The command line as it would find itself on another platform. */
function on(platform: string, ...args: string[]) {
  const preload = temporaryFile(
    'platform.cjs',
    `Object.defineProperty(process, 'platform', { value: ${JSON.stringify(platform)} });`,
  );
  return spawnSync(process.execPath, ['--require', preload, cli, ...args], { encoding: 'utf8' });
}

it.each([
  ['win32', 'Windows'],
  ['freebsd', 'freebsd'],
])('refuses %s by name before anything else, with the way out', (platform, name) => {
  for (const args of [['demo'], ['--help'], ['run', 'nowhere.yaml'], []]) {
    const { status, stdout, stderr } = on(platform, ...args);
    expect([status, stdout]).toEqual([3, '']);
    expect(stderr).toBe(
      `error: aftertune does not run on ${name}\nhint: use Linux or macOS; on Windows, WSL 2 is Linux\n`,
    );
  }
  const { status, stdout } = on(platform, 'list', '--json');
  expect(status).toBe(3);
  expect(JSON.parse(stdout)).toMatchObject({ schema: 'aftertune/error@1', code: 'unsupported', exitCode: 3 });
});

it.each(['linux', 'darwin'])('runs on %s', (platform) => {
  expect(on(platform, '--version').status).toBe(0);
});
