import { execFile } from 'node:child_process';
import { basename } from 'node:path';
import { AuditError } from '../../errors.ts';
import { pipLine } from './job.ts';
import { splitCommand } from './launcher.ts';

const required = ['torch', 'transformers', 'peft', 'trl', 'datasets'];
const asked = [...required, 'accelerate', 'bitsandbytes'];
const question = `
import json, importlib.metadata as m
def version(name):
    try:
        return m.version(name)
    except m.PackageNotFoundError:
        return None
print(json.dumps({name: version(name) for name in ${JSON.stringify(asked)}}))`;

/**
 * The versions of the packages that the launcher's Python has; null where the launcher is not a Python.
 * @throws AuditError `config` when it cannot be run or lacks one.
 */
export async function pythonPackages(launcher: string): Promise<Record<string, string> | null> {
  const [program = ''] = splitCommand(launcher);
  if (!/^python[\d.]*$/.test(basename(program))) return null;
  const text = await new Promise<string>((resolve, reject) => {
    execFile(program, ['-c', question], { timeout: 60_000 }, (error, stdout) => {
      const hint = 'name the Python that has trl in training.launcher';
      if (error)
        reject(
          new AuditError('config', `training.launcher: ${program} cannot be run`, { hint, cause: error }),
        );
      else resolve(stdout);
    });
  });
  const found = JSON.parse(text) as Record<string, string | null>;
  const missing = required.filter((name) => !found[name]);
  if (missing.length > 0)
    throw new AuditError('config', `training.launcher: ${program} lacks ${missing.join(', ')}`, {
      hint: `"${program}" -m ${pipLine}`,
    });
  return Object.fromEntries(
    Object.entries(found).flatMap(([name, version]) => (version ? [[name, version]] : [])),
  );
}
