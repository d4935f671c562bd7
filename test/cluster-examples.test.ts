import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { readConfigFile } from '../src/config-file.ts';
import { resolveConfig } from '../src/config-resolve.ts';
import { packageRoot } from '../src/files.ts';
import { createProgram } from '../src/program.ts';
import { createTrlTrainer } from '../src/trainers/trl.ts';
import { tinyJob } from './lm/tiny-job.ts';

/** examples/cluster/: manifests that hang together, and commands that exist. */

const folder = join(packageRoot, 'examples/cluster');
const read = (name: string) => readFileSync(join(folder, name), 'utf8');

// biome-ignore lint/suspicious/noExplicitAny: whatever a manifest holds
type Manifest = any;
const manifests: Manifest[] = parseAllDocuments(read('kubernetes.yaml')).map((one) => one.toJS());
const podOf = ({ spec }: Manifest) => spec.template?.spec;
const called = (kind: string, name: string) =>
  manifests.find((one) => one.kind === kind && one.metadata.name === name);

/** A command line of ours as the program would read it: its verb, and flags that the verb does not have. */
function unknownFlags(words: readonly string[]): string[] {
  const [verb, ...rest] = words;
  const command = createProgram(async () => {}).commands.find((one) => one.name() === verb);
  if (!command) return [`verb ${verb}`];
  const known = new Set(command.options.map(({ long }) => long));
  return rest.filter((word) => word.startsWith('--') && !known.has(word.split('=')[0]!));
}

const settingsOf = (words: readonly string[]) =>
  words.flatMap((word, at) => {
    if (words[at - 1] !== '--set') return [];
    const [path, value] = [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)];
    return [{ path, value: parse(value) as unknown }];
  });

describe('kubernetes.yaml', () => {
  it('has the parts, each with what its kind requires', () => {
    expect(manifests.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).toEqual([
      ...['PersistentVolumeClaim aftertune', 'Job train', 'StatefulSet arms', 'Service arms'],
      ...['Deployment guard', 'Service guard', 'Job audit'],
    ]);
    const versions = { Job: 'batch/v1', StatefulSet: 'apps/v1', Deployment: 'apps/v1' };
    for (const { kind, apiVersion, spec } of manifests) {
      expect(apiVersion).toBe(versions[kind as 'Job'] ?? 'v1');
      if (kind === 'Job') expect(['OnFailure', 'Never']).toContain(spec.template.spec.restartPolicy);
      if (!spec.selector?.matchLabels) continue;
      expect(spec.template.metadata.labels).toMatchObject(spec.selector.matchLabels);
    }
  });

  it('mounts volumes that are there, and takes every secret from one place', () => {
    for (const pod of manifests.flatMap((one) => podOf(one) ?? [])) {
      const names = pod.volumes.map(({ name }: Manifest) => name);
      for (const container of pod.containers) {
        expect(container.image).toMatch(/:/);
        expect(names).toEqual(
          expect.arrayContaining(container.volumeMounts.map(({ name }: Manifest) => name)),
        );
        for (const { name, value, valueFrom } of container.env) {
          if (!/KEY|TOKEN/.test(name)) continue;
          expect(value).toBeUndefined();
          expect(valueFrom.secretKeyRef.name).toBe('aftertune');
        }
      }
    }
  });

  it('reaches servers by services that select them', () => {
    for (const [service, kind] of [
      ['arms', 'StatefulSet'],
      ['guard', 'Deployment'],
    ] as const) {
      const { selector, ports } = called('Service', service).spec;
      const pod = called(kind, service).spec.template;
      expect(pod.metadata.labels).toMatchObject(selector);
      expect(pod.spec.containers[0].ports.map(({ name }: Manifest) => name)).toContain(ports[0].targetPort);
    }
    expect(called('StatefulSet', 'arms').spec.serviceName).toBe('arms');
  });

  it('asks for GPUs where models are, and for none for the audit', () => {
    const gpus = (one: Manifest) => podOf(one).containers[0].resources.limits['nvidia.com/gpu'] ?? 0;
    expect(manifests.filter(podOf).map((one) => [one.metadata.name, gpus(one)])).toEqual([
      ...[
        ['train', 1],
        ['arms', 1],
        ['guard', 1],
        ['audit', 0],
      ],
    ]);
  });

  it('runs commands of ours that exist, and the audit’s settings make a valid config', () => {
    for (const job of ['train', 'audit']) {
      const [program, ...words] = podOf(called('Job', job)).containers[0].command;
      expect(program).toBe('aftertune');
      expect(unknownFlags(words)).toEqual([]);
    }
    const settings = settingsOf(podOf(called('Job', 'audit')).containers[0].command);
    const { input, directory } = readConfigFile(join(packageRoot, 'examples/paper-8b.yaml'), settings);
    const { model, judges } = resolveConfig(input, directory);
    expect(model).toMatchObject({ endpoint: 'http://arms-0.arms:8000/v1', concurrency: 64 });
    expect(judges[0]).toMatchObject({ model: { endpoint: 'http://guard:8000/v1', apiKeyEnv: 'SERVER_KEY' } });
    const served = called('StatefulSet', 'arms').spec.template.spec.containers[0].args.join(' ');
    expect(served).toContain('--served-model-name=llama-3.1-8b ');
  });
});

it('train-8b.yaml trains the arms that paper-8b.yaml audits', () => {
  const arms = [join(folder, 'train-8b.yaml'), join(packageRoot, 'examples/paper-8b.yaml')].map((path) => {
    const { input, directory } = readConfigFile(path);
    return resolveConfig(input, directory);
  });
  const learnt = (config: (typeof arms)[number] | undefined) => config?.arms.map(({ name }) => name);
  expect(learnt(arms[0])).toEqual(learnt(arms[1]));
  expect(arms[0]!.training).toMatchObject({ trainer: 'trl', precision: 'nf4', steps: 50 });
});

it('sky.yaml and sky-train.yaml have the keys of a task', () => {
  const known = ['name', 'resources', 'workdir', 'file_mounts', 'envs', 'setup', 'run'];
  for (const name of ['sky.yaml', 'sky-train.yaml']) {
    const task = parse(read(name));
    expect(Object.keys(task).filter((key) => !known.includes(key))).toEqual([]);
    expect(task.resources.accelerators).toMatch(/^A100:\d$/);
    for (const part of [task.setup, task.run]) expect(part).toEqual(expect.any(String));
    expect(Object.values(task.envs)).toEqual(['']);
  }
});

it('commands of ours in the note and the tasks exist', () => {
  const texts = [
    readFileSync(join(packageRoot, 'docs/cluster.md'), 'utf8'),
    read('sky.yaml'),
    read('train-8b.yaml'),
  ];
  const lines = texts.flatMap((text) =>
    [...text.matchAll(/(?<![\w./-])aftertune ((?:run|train|data|doctor) [^\n`&#]*)/g)].map(([, line]) =>
      line!.trim(),
    ),
  );
  expect(lines.length).toBeGreaterThan(4);
  for (const line of lines) expect(unknownFlags(line.split(/\s+/)), line).toEqual([]);
});

it('sky-train.sh sends a job folder away and brings the adapter back', async () => {
  const place = mkdtempSync(join(tmpdir(), 'sky-'));
  try {
    const [bin, remote] = [join(place, 'bin'), join(place, 'remote')];
    mkdirSync(bin);
    const program = (name: string, text: string) => {
      writeFileSync(join(bin, name), `#!/bin/sh\nset -eu\n${text}\n`);
      chmodSync(join(bin, name), 0o755);
    };
    const fake = fileURLToPath(new URL('trainers/fake-trl.mjs', import.meta.url));
    program(
      'sky',
      `echo "$@" >> "${place}/sky"\n[ "$1" = launch ] || exit 0\nwhile [ "$1" != --workdir ]; do shift; done\ncp -r "$2" "${remote}"\n"${process.execPath}" "${fake}" fine "${remote}/config.json"`,
    );
    // Copies either all but finished.json, or that alone.
    program(
      'rsync',
      `for last; do :; done\ncase "$*" in *sky_workdir/finished.json*) cp "${remote}/finished.json" "$last";; *) (cd "${remote}" && cp -r $(ls | grep -v finished.json) "$last");; esac`,
    );
    const path = process.env.PATH;
    process.env.PATH = `${bin}${delimiter}${path}`;
    try {
      const job = tinyJob(join(place, 'safe'));
      const launcher = `sh "${join(folder, 'sky-train.sh')}" {folder}`;
      const { history } = await createTrlTrainer({ launcher, pollMs: 20 }).train(job);
      expect(history).toHaveLength(6);
    } finally {
      process.env.PATH = path;
    }
    const asked = readFileSync(join(place, 'sky'), 'utf8').trim().split('\n');
    expect(asked.map((line) => line.split(' ')[0])).toEqual(['launch', 'down']);
    expect(existsSync(join(remote, 'adapter'))).toBe(true);
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
});
