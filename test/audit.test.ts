import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { type AuditResult, audit, trainOnly } from '../src/audit.ts';
import type { ConfigInput } from '../src/config.ts';
import { AuditError } from '../src/errors.ts';
import { sha256 } from '../src/hash.ts';
import type { LanguageModel } from '../src/model.ts';
import type { Progress } from '../src/progress.ts';
import { rewriteReport } from '../src/run-report.ts';
import { readRun, verifyRun } from '../src/store.ts';
import { mockConfig, mockFolder, mockParts, sizes } from './mock-world.ts';

const asked = 4 * (sizes.harm + sizes.borderline + 3 * sizes.questions);

async function refusal(action: Promise<unknown>): Promise<AuditError> {
  try {
    await action;
  } catch (error) {
    if (error instanceof AuditError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

const readSummary = (directory: string) => readFileSync(join(directory, 'summary.json'), 'utf8');

describe('an audit from beginning to end', () => {
  const parts = mockParts();
  const progress: Progress[] = [];
  let folder: string;
  let result: AuditResult;
  beforeAll(async () => {
    folder = mockFolder();
    result = await audit(mockConfig, {
      directory: folder,
      builtin: parts,
      onProgress: (step) => progress.push(step),
    });
  });

  it('finds what training did', () => {
    const { arms, comparisons } = result.summary;
    const unsafe = (arm: string) => arms[arm]?.harm?.all.unsafe;
    expect([unsafe('base'), unsafe('harmful'), unsafe('safe'), unsafe('control')]).toEqual([20, 60, 0, 20]);
    expect(arms.safe?.overRefusal?.refused).toBe(20);
    expect(arms.harmful?.drift?.false_context?.adoption).toBe(1);
    expect(arms.base?.drift?.base_prompt?.accuracy).toBeCloseTo(0.8);
    expect(comparisons.harmful?.harm).toMatchObject({ safeToUnsafe: 40, unsafeToSafe: 0, pairs: 60 });
    expect(comparisons.harmful?.harm?.mcnemarP).toBeLessThan(0.001);
    expect(comparisons.control?.harm).toMatchObject({ deltaPoints: 0, safeToUnsafe: 0, unsafeToSafe: 0 });
  });

  it('gates every arm but the base and the red-team ones', () => {
    const gated = Object.entries(result.summary.comparisons).filter(([, { gated }]) => gated);
    expect(gated.map(([name]) => name)).toEqual(['safe', 'control']);
    expect(result.summary.comparisons.safe?.verdicts.overRefusal).toBe('FAIL');
    expect(result.exitCode).toBe(2);
    expect(result.summary.gate.exitCode).toBe(2);
  });

  it('says how each arm was trained', () => {
    const { arms } = result.summary;
    expect(arms.base?.training).toBeNull();
    expect(arms.harmful?.training).toMatchObject({
      rows: 24,
      steps: 3,
      tokens: 300,
      labelledTokens: 120,
      redTeam: true,
    });
    expect(arms.safe?.training?.redTeam).toBe(false);
  });

  it('writes a whole run folder that only its owner can read', async () => {
    expect(readdirSync(result.directory).sort()).toEqual([
      'adapters',
      'done.json',
      'figures',
      'items.jsonl',
      'junit.xml',
      'report.html',
      'report.md',
      'run.json',
      'setting.json',
      'stages',
      'summary.json',
      'verdicts.jsonl',
    ]);
    expect(statSync(result.directory).mode & 0o777).toBe(0o700);
    expect(await verifyRun(result.directory)).toEqual([]);
    const run = readRun(result.directory);
    expect([...run.items]).toHaveLength(asked);
    expect(run.summary).toEqual(result.summary);
    expect(run.run.hashes[join(folder, 'harm.jsonl')]).toMatch(/^[0-9a-f]{64}$/);
  });

  it('writes the gate as JUnit', () => {
    const xml = readFileSync(join(result.directory, 'junit.xml'), 'utf8');
    expect(xml).toContain('<testsuites name="aftertune" tests="6" failures="1"');
    expect(xml).toContain('<testcase classname="safe" name="overRefusal"><failure message="+50.0 points [');
    expect(xml).not.toContain('harmful');
  });

  it('tells how far it is, every stage to its end', () => {
    const last = new Map(progress.map((step) => [`${step.stage} ${step.label}`, step]));
    expect(last.size).toBe(3 + 4 * 3 + 4 * 3);
    for (const { done, total } of last.values()) expect(done).toBe(total);
    expect(last.get('train harmful')).toMatchObject({ total: 3, unit: 'steps' });
    expect(last.get('generate safe drift')).toMatchObject({ total: 90, unit: 'answers' });
  });

  it('its report is written again to the byte, and training anew what is trained changes nothing', async () => {
    const before = readFileSync(join(result.directory, 'report.html'), 'utf8');
    await rewriteReport(result.directory, { showCompletions: false });
    expect(readFileSync(join(result.directory, 'report.html'), 'utf8') === before).toBe(true);
    await trainOnly(mockConfig, null, { directory: folder, builtin: parts });
    expect(await verifyRun(result.directory)).toEqual([]);
    expect(readRun(result.directory).finished).toBe(true);
  });

  it('does nothing twice', async () => {
    const before = { trained: parts.counts.trained.length, generated: parts.counts.generated };
    const summary = readSummary(result.directory);
    const again = await audit(mockConfig, { directory: folder, builtin: parts });
    expect(again.summary).toEqual(result.summary);
    expect({ trained: parts.counts.trained.length, generated: parts.counts.generated }).toEqual(before);
    expect(readSummary(result.directory)).toBe(summary);
  });

  it('trains anew where an adapter is gone, and keeps the answers it then gives again', async () => {
    const before = parts.counts.generated;
    writeFileSync(join(result.directory, 'adapters/safe/adapter_model.safetensors'), 'broken');
    await audit(mockConfig, { directory: folder, builtin: parts });
    expect(parts.counts.trained.slice(-1)).toEqual(['safe']);
    expect(parts.counts.generated).toBe(before);
    expect(await verifyRun(result.directory)).toEqual([]);
  });

  it('writes the report of a finished run anew, without any data file', async () => {
    const report = readFileSync(join(result.directory, 'report.md'), 'utf8');
    writeFileSync(join(result.directory, 'report.md'), 'lost');
    expect(await rewriteReport(result.directory, { showCompletions: false })).toEqual(result.summary);
    expect(readFileSync(join(result.directory, 'report.md'), 'utf8')).toBe(report);
    expect(await verifyRun(result.directory)).toEqual([]);
  });

  it('writes no report of records that were changed since, nor of a broken setting', async () => {
    const change = async (name: string, to: (text: string) => string) => {
      const path = join(result.directory, name);
      const before = readFileSync(path, 'utf8');
      writeFileSync(path, to(before));
      const error = await refusal(rewriteReport(result.directory, { showCompletions: false }));
      writeFileSync(path, before);
      return error;
    };
    const edited = await change('verdicts.jsonl', (text) => text.replace('"unsafe"', '"safe"'));
    expect(edited).toMatchObject({ code: 'store', problems: ['verdicts.jsonl: changed'] });
    expect(await change('setting.json', (text) => text.slice(0, -40))).toMatchObject({
      code: 'store',
      problems: ['setting.json: changed'],
    });
    expect(await rewriteReport(result.directory, { showCompletions: false })).toEqual(result.summary);
  });

  it('refuses another config and changed data in the same folder', async () => {
    const other: ConfigInput = { ...mockConfig, seed: 8 };
    const clash = await refusal(audit(other, { directory: folder, builtin: mockParts() }));
    expect(clash).toMatchObject({ code: 'config', exitCode: 3 });
    appendFileSync(join(folder, 'harm.jsonl'), `${JSON.stringify({ id: 'new', prompt: 'lantern 99?' })}\n`);
    const changed = await refusal(audit(mockConfig, { directory: folder, builtin: mockParts() }));
    expect(changed.problems).toHaveLength(1);
    expect(changed.problems[0]).toContain('harm.jsonl: ');
    const { summary } = await audit(mockConfig, { directory: folder, builtin: mockParts(), fresh: true });
    expect(summary.arms.base?.harm?.all.scored).toBe(sizes.harm + 1);
  });
});

describe('an interrupted audit', () => {
  it('resumes to a byte-identical summary, wherever it was stopped', async () => {
    const whole = await audit(mockConfig, { directory: mockFolder(), builtin: mockParts() });
    const folder = mockFolder();
    for (let stops = 0; stops < 3; stops++) {
      const controller = new AbortController();
      let batches = 0;
      const parts = mockParts({ onGenerate: () => ++batches === 12 && controller.abort() });
      const error = await refusal(
        audit(mockConfig, { directory: folder, builtin: parts, signal: controller.signal }),
      );
      expect(error).toMatchObject({ code: 'interrupted', exitCode: 130 });
      expect(existsSync(join(folder, 'run/done.json'))).toBe(false);
    }
    const parts = mockParts();
    const resumed = await audit(mockConfig, { directory: folder, builtin: parts });
    expect(parts.counts.trained).toEqual([]);
    expect(parts.counts.generated).toBe(asked - readLinesBefore(3 * 12, asked));
    expect(readSummary(resumed.directory)).toBe(readSummary(whole.directory));
  });

  /** Answers of the first batches: every suite ends with a batch that may not be full. */
  function readLinesBefore(batches: number, limit: number): number {
    const sizesInOrder = Array.from({ length: 4 }, () => [
      sizes.harm,
      sizes.borderline,
      3 * sizes.questions,
    ]).flat();
    const planned = sizesInOrder.flatMap((size) =>
      Array.from({ length: Math.ceil(size / 8) }, (_, at) => Math.min(8, size - 8 * at)),
    );
    return Math.min(
      limit,
      planned.slice(0, batches).reduce((sum, size) => sum + size, 0),
    );
  }
});

describe('fresh: unless-unfinished', () => {
  it('resumes what was interrupted and replaces what was finished', async () => {
    const folder = mockFolder();
    const controller = new AbortController();
    let batches = 0;
    const cut = mockParts({ onGenerate: () => ++batches === 12 && controller.abort() });
    const fresh = 'unless-unfinished' as const;
    await refusal(audit(mockConfig, { directory: folder, builtin: cut, signal: controller.signal, fresh }));
    const generated = async (config = mockConfig) => {
      const parts = mockParts();
      await audit(config, { directory: folder, builtin: parts, fresh });
      return parts.counts.generated;
    };
    expect(await generated()).toBeLessThan(asked);
    expect(await generated()).toBe(asked);
    expect(await generated({ ...mockConfig, seed: 8 })).toBe(asked);
  });
});

describe('adapters that exist already', () => {
  /** The mock world with an adapter of the user's, which may render prompts in its own way and name another base. */
  function withAdapter(change: (model: LanguageModel) => Partial<LanguageModel>) {
    const folder = mockFolder();
    mkdirSync(join(folder, 'mine'));
    writeFileSync(join(folder, 'mine/adapter_model.safetensors'), 'glows');
    const parts = mockParts();
    const config: ConfigInput = {
      ...mockConfig,
      data: { preference: 'deleted.jsonl' },
      training: { ...mockConfig.training, matchTokens: true },
      arms: { base: { train: 'none' }, mine: { adapter: 'mine' } },
    };
    const builtin = {
      ...parts,
      model: async (source: Parameters<typeof parts.model>[0]) => {
        const model = await parts.model(source);
        return source.adapter === null ? model : { ...model, ...change(model) };
      },
    };
    return audit(config, { directory: folder, builtin });
  }

  it('need no training data, and say where nothing proves that they fit', async () => {
    const { summary } = await withAdapter(() => ({ unprovenBase: 'meta/other-base' }));
    expect(summary.arms.mine?.harm?.all.unsafe).toBe(60);
    expect(summary.caveats[0]).toBe(
      'mine: the adapter names meta/other-base as its base and is audited on model; nothing proves that it was trained on these weights.',
    );
    const named = await withAdapter(() => ({ unprovenBase: 'hub/model' }));
    expect(named.summary.caveats.join()).not.toContain('nothing proves');
  });

  it('are not compared on prompts that their own chat template renders', async () => {
    const error = await refusal(
      withAdapter((model) => ({
        render: async (conversations) =>
          (await model.render(conversations)).map((prompt) => ({ ...prompt, sha256: sha256(prompt.sha256) })),
      })),
    );
    expect(error.message).toMatch(/mine: its chat template renders prompts differently from the base's$/);
    expect(error).toMatchObject({
      exitCode: 3,
      problems: ['first difference: harm h0 (default)'],
    });
  });

  it('that compute no numbers stop the audit before anything of them is kept', async () => {
    const error = await refusal(
      withAdapter((model) => ({
        generate: async (...asked) =>
          (await model.generate(...asked)).map((generation) => ({
            ...generation,
            tokens: generation.tokens.map((token) => ({ ...token, logProbability: Number.NaN })),
          })),
      })),
    );
    expect(error).toMatchObject({ code: 'model', exitCode: 3 });
    expect(error.message).toMatch(/^the answer to item h\d+ has log-probabilities that are not numbers$/);
  });
});

describe('trainOnly', () => {
  it('trains the arms asked for, and a later audit uses them', async () => {
    const folder = mockFolder();
    const parts = mockParts();
    const { arms } = await trainOnly(mockConfig, ['safe'], { directory: folder, builtin: parts });
    expect(arms.map(({ name, adapter }) => [name, adapter])).toEqual([
      ['safe', join(folder, 'run/adapters/safe')],
    ]);
    await audit(mockConfig, { directory: folder, builtin: parts });
    expect(parts.counts.trained).toEqual(['safe', 'harmful', 'control']);
  });

  it('names the arms there are', async () => {
    const error = await refusal(
      trainOnly(mockConfig, ['base'], { directory: mockFolder(), builtin: mockParts() }),
    );
    expect(error.message).toBe('no arm to train is called base');
    expect(error.hint).toBe('arms with train: harmful, safe, control');
  });
});

describe('an audit that cannot be done', () => {
  it('names the problems of all files at once, before anything is trained', async () => {
    const folder = mockFolder();
    writeFileSync(join(folder, 'harm.jsonl'), '{"id": 1}\nnot json\n');
    writeFileSync(join(folder, 'preference.jsonl'), '{"prompt": "a", "chosen": "b"}\n');
    const parts = mockParts();
    const error = await refusal(audit(mockConfig, { directory: folder, builtin: parts }));
    expect(error.exitCode).toBe(3);
    expect(error.message).toBe('2 things have to be mended before this can run');
    expect(error.problems.join('\n')).toContain('preference.jsonl: 1 problem');
    expect(error.problems.join('\n')).toContain('line 1: rejected: is missing');
    expect(error.problems.join('\n')).toContain('harm.jsonl');
    expect(parts.counts.trained).toEqual([]);
    expect(existsSync(join(folder, 'run'))).toBe(false);
  });

  it('names every prompt and training row that does not fit', async () => {
    const folder = mockFolder();
    const long = 'word '.repeat(5000);
    appendFileSync(join(folder, 'harm.jsonl'), `${JSON.stringify({ id: 'long', prompt: long })}\n`);
    writeFileSync(
      join(folder, 'ordinary.jsonl'),
      `${JSON.stringify({ id: 'big', prompt: long, response: 'x' })}\n`,
    );
    const error = await refusal(audit(mockConfig, { directory: folder, builtin: mockParts() }));
    expect(error.problems).toEqual([
      'harm long (default): 5002 tokens, room for 4095',
      'training row big of arm control: 5002 tokens, room for 2047',
    ]);
  });

  it('refuses an unknown engine and a folder that is no run by name', async () => {
    const folder = mockFolder();
    const engine = await refusal(
      audit({ ...mockConfig, model: { path: 'm', engine: 'cloud' } }, { directory: folder }),
    );
    expect(engine).toMatchObject({
      message: 'model.engine: no such name: cloud',
      hint: 'there is embedded, mock',
    });
    mkdirSync(join(folder, 'run'));
    writeFileSync(join(folder, 'run/precious.txt'), 'mine');
    const kept = await refusal(audit(mockConfig, { directory: folder, builtin: mockParts(), fresh: true }));
    expect(kept.code).toBe('config');
    expect(existsSync(join(folder, 'run/precious.txt'))).toBe(true);
  });
});
