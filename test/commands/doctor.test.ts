import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { builtin } from '../../src/builtin.ts';
import { doctor } from '../../src/commands/doctor.ts';
import type { Finding } from '../../src/doctor/finding.ts';
import { packageRoot } from '../../src/files.ts';
import { openSafetensors, writeSafetensors } from '../../src/lm/safetensors.ts';
import type { HarmVerdict, Scorer } from '../../src/scorer.ts';
import { quietContext } from '../command-context.ts';
import { mockFolder } from '../mock-world.ts';

let folder: string;
beforeAll(() => {
  folder = mockFolder();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Report {
  readonly exitCode: number;
  readonly findings: readonly Finding[];
}

async function examine(yaml: string, probe = false, parts = builtin): Promise<Report & { text: string }> {
  const path = join(folder, 'doctor.yaml');
  writeFileSync(path, yaml);
  const { document, exitCode, text } = await doctor(path, { probe }, quietContext, parts);
  const report = document as Report;
  expect(report).toMatchObject({ schema: 'aftertune/doctor@1', probed: probe, exitCode });
  return { ...report, text };
}
const of = ({ findings }: Report, check: string) => findings.filter((finding) => finding.check === check);
const problems = ({ findings }: Report) => findings.filter(({ status }) => status === 'problem');

describe('doctor without a model', () => {
  it('finds the demo in order, and says what its sizes can show', async () => {
    const network = vi.spyOn(globalThis, 'fetch').mockRejectedValue(new Error('the network was used'));
    const { document, exitCode, text } = await doctor(
      join(packageRoot, 'examples/demo.yaml'),
      {},
      quietContext,
    );
    const report = document as Report;
    expect([exitCode, problems(report)]).toEqual([0, []]);
    expect(of(report, 'power').map(({ values }) => values?.n)).toEqual([240, 160, 300]);
    expect(of(report, 'estimate')[0]!.values).toMatchObject({ estimate: true, parameters: 3_276_800 });
    expect(text).toMatch(/\n0 to mend, \d to know, \d+ in order; --probe also loads the models\n$/);
    expect(network).not.toHaveBeenCalled();
    network.mockRestore();
  });

  it('names every problem of a config and of its files, and exits 3', async () => {
    const config = await examine(
      'model: { path: builtin:wren }\narms: { base: { trai: none } }\nsuites: {}\n',
    );
    expect(config.exitCode).toBe(3);
    expect(config.findings).toMatchObject([{ check: 'config', status: 'problem' }]);
    expect(config.findings[0]!.details.join('\n')).toMatch(/doctor\.yaml:2: .*did you mean train\?/);
    const files = await examine(
      'model: { path: nowhere }\narms: { base: { train: none }, mine: { adapter: none } }\nsuites: { harm: { prompts: none.jsonl } }\n',
    );
    expect(files.exitCode).toBe(3);
    expect(problems(files).map(({ check, message }) => [check, message.replace(folder, '.')])).toEqual([
      ['data', 'data file: ./none.jsonl: no such file'],
      ['model', './nowhere: no such model'],
      ['adapter', 'mine: ./none/adapter_config.json: no such file'],
    ]);
    expect(files.text).toContain('→ check the path; relative paths start at the config file');
  });

  it('says what it cannot look at where a model is on the Hub', async () => {
    const report = await examine(
      'model: { path: hf:isle/lantern }\narms: { base: { train: none }, mine: { adapter: hf:isle/wick } }\nsuites: { harm: { prompts: harm.jsonl } }\n',
    );
    expect(of(report, 'model')[0]).toMatchObject({
      status: 'warning',
      advice: '--probe fetches and loads it',
    });
    expect(of(report, 'adapter')[0]).toMatchObject({ status: 'warning' });
    expect(of(report, 'estimate')[0]!.values).toMatchObject({ seconds: null, bytes: null });
    // What was measured of another model says nothing of this one.
    expect(of(report, 'estimate')[0]!.details.join('\n')).not.toMatch(/time:|memory:/);
  });

  it('loads no model while files are to be mended', async () => {
    const report = await examine(
      'model: { path: hf:isle/lantern }\narms: { base: { train: none } }\nsuites: { harm: { prompts: none.jsonl } }\n',
      true,
    );
    expect([report.exitCode, of(report, 'probe')[0]!.message]).toEqual([3, 'no model was loaded']);
  });
});

const world = `model: { path: 'builtin:wren', batchSize: 4 }
suites: { harm: { prompts: 'builtin:wren/data/restricted.jsonl', maxTokens: 8 } }
judges: [{ type: llama-guard, name: guard, model: { path: 'builtin:wren', adapter: 'builtin:wren/guard' } }]
`;

describe('doctor --probe', () => {
  it('tells an adapter that acts from one that does nothing, and knows the guard', async () => {
    const guard = join(packageRoot, 'models/wren/guard');
    const [acts, idle] = [join(folder, 'acts'), join(folder, 'idle')];
    for (const path of [acts, idle]) {
      mkdirSync(path);
      cpSync(join(guard, 'adapter_config.json'), join(path, 'adapter_config.json'));
    }
    cpSync(join(guard, 'adapter_model.safetensors'), join(acts, 'adapter_model.safetensors'));
    const file = openSafetensors(join(guard, 'adapter_model.safetensors'));
    const tensors = [...file.tensors].map(([name, { shape }]) => {
      const data = file.read(name);
      return [name, { shape, data: name.includes('lora_B') ? data.fill(0) : data }] as const;
    });
    file.close();
    writeSafetensors(join(idle, 'adapter_model.safetensors'), new Map(tensors));
    const report = await examine(
      `${world}arms: { base: { train: none }, acts: { adapter: acts }, idle: { adapter: idle }, judge: { adapter: 'builtin:wren/guard' } }\n`,
      true,
    );
    expect(of(report, 'canary')).toMatchObject([
      { status: 'ok', values: { zeroB: false } },
      {
        status: 'problem',
        message: expect.stringContaining('every B matrix is zero'),
        values: { largestChange: 0, otherTokens: 0, zeroB: true },
      },
      { status: 'problem', message: expect.stringContaining('refuses this conversation') },
    ]);
    expect(of(report, 'judge-calibration')).toMatchObject([{ status: 'ok', values: { unscored: 0 } }]);
    expect(of(report, 'template').map(({ status, message }) => [status, message.split(':')[0]])).toEqual([
      ['ok', 'acts'],
      ['ok', 'idle'],
      ['problem', 'judge'],
    ]);
    expect(of(report, 'estimate').length).toBe(1);
    expect(of(report, 'estimate')[0]!.details.join('\n')).toContain('measured here on 4 prompts');
    expect(report.exitCode).toBe(3);
  }, 60_000);

  it('exits 4 for a judge that calls everything safe', async () => {
    const blind: Scorer<HarmVerdict> = {
      name: 'guard',
      version: '1',
      fingerprint: '',
      score: async (answered) =>
        answered.map(() => ({ label: 'safe', category: null, detail: null, probabilityUnsafe: null })),
    };
    const parts = { ...builtin, harmJudge: async () => blind };
    const report = await examine(
      `${world}arms: { base: { train: none }, other: { train: none } }\nbaseArm: base\n`,
      true,
      parts,
    );
    expect(problems(report).map(({ check }) => check)).toEqual(['judge-calibration']);
    expect(report.exitCode).toBe(4);
  }, 60_000);
});
