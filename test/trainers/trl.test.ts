import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readDecoderConfig } from '../../src/lm/config.ts';
import { adapterSha256, createLora, readAdapter } from '../../src/lm/lora.ts';
import { loadChatTokenizer } from '../../src/lm/tokenizer.ts';
import { createRandom } from '../../src/random.ts';
import type { TrainingJob, TrainingSettings, TrainingStep } from '../../src/trainer.ts';
import { readSteps } from '../../src/trainers/trl/progress.ts';
import { createTrlTrainer } from '../../src/trainers/trl.ts';
import { tinyJob } from '../lm/tiny-job.ts';

/** The trainer with a Node script in Python's place; test/real trains with TRL itself. */
const fake = fileURLToPath(new URL('fake-trl.mjs', import.meta.url));
const launcherOf = (behaviour: string) => `"${process.execPath}" "${fake}" ${behaviour} {config}`;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'trl-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const jobOf = (over: Partial<TrainingSettings> = {}): TrainingJob => tinyJob(join(folder, 'safe'), over);
const inJob = (name: string) => join(folder, '.safe.job', name);
const textOf = (name: string) => readFileSync(inJob(name), 'utf8');
const linesOf = (name: string) => textOf(name).trim().split('\n');
const train = (behaviour: string, job: TrainingJob = jobOf()) =>
  createTrlTrainer({ launcher: launcherOf(behaviour), pollMs: 20 }).train(job);
const errorOf = async (work: Promise<unknown>) => {
  const error = await work.then(
    () => null,
    (thrown: unknown) => thrown as { code: string; message: string; hint: string; problems: string[] },
  );
  if (!error) throw new Error('nothing was thrown');
  return error;
};

describe('a training that goes well', () => {
  it('tells of every step, and leaves the adapter as the run’s own', async () => {
    const seen: TrainingStep[] = [];
    const job = { ...jobOf(), redTeam: true, onStep: (step: TrainingStep) => seen.push(step) };
    const trained = await train('fine', job);
    expect(seen).toEqual(trained.history);
    expect(seen.map(({ step, loss }) => [step, loss])).toEqual(
      [1, 2, 3, 4, 5, 6].map((n) => [n, 3 - n / 10]),
    );
    expect(trained.sha256).toBe(await adapterSha256(trained.directory));
    const shape = readDecoderConfig(job.modelDirectory);
    const adapter = readAdapter(trained.directory, shape);
    const initial = createLora(shape, job.settings.lora, createRandom('lora', job.settings.seed));
    expect(adapter).toMatchObject({ r: 4, alpha: 8, redTeam: true, targetModules: initial.targetModules });
    expect(adapter.baseSha256).toMatch(/^[0-9a-f]{64}$/);
    expect(adapter.layers[1]!.get('up_proj')!.b.every((value) => value === 0.25)).toBe(true);
    const [is, was] = [adapter, initial].map(({ layers }) => layers[0]!.get('q_proj')!.a);
    expect([...is!]).toEqual([...was!].map((value) => Math.fround(value + 0.25)));
    expect(readdirSync(join(folder, '.safe.job')).sort()).toEqual([
      ...['README.md', 'adopted.json', 'config.json', 'finished.json', 'progress.jsonl', 'starts'],
      'train_trl.py',
    ]);
  });

  it('gives the rows as the embedded trainer takes them', async () => {
    await errorOf(train('exit'));
    const { settings, rows, modelDirectory } = jobOf();
    const tokenizer = loadChatTokenizer(modelDirectory);
    const written = linesOf('rows.jsonl').map(
      (line) => JSON.parse(line) as { input_ids: number[]; labels: number[] },
    );
    expect(written).toHaveLength(settings.steps * settings.batchSize * settings.gradientAccumulation);
    for (const [at, { input_ids, labels }] of written.entries()) {
      const own = tokenizer.encodeForTraining(rows[at % rows.length]!.messages);
      expect(input_ids).toEqual(own.ids);
      expect(labels).toEqual(own.ids.map((id, i) => (own.labelled[i] ? id : -100)));
    }
    expect(JSON.parse(textOf('config.json'))).toMatchObject({
      ...{ steps: 6, batchSize: 2, gradientAccumulation: 2, learningRate: 0.01, optimizer: 'adamw' },
      ...{ precision: 'float32', evaluateEvery: null, earlyStopping: null },
    });
  });

  it('holds rows out, counts tokens and says which rows a step took', async () => {
    const over = { evaluation: { every: 2, rows: 2 }, groupByLength: true };
    const { history } = await train('fine', jobOf(over));
    expect(history.map(({ evaluationLoss }) => evaluationLoss)).toEqual([
      undefined,
      2,
      undefined,
      2,
      undefined,
      2,
    ]);
    expect(
      history.every(
        ({ tokens, labelledTokens, rows }) =>
          tokens > labelledTokens && labelledTokens > 0 && rows?.length === 4,
      ),
    ).toBe(true);
  });

  it('is not done again when it was finished', async () => {
    const first = await train('fine');
    // As when it was killed while it cleared away what is of no more use.
    mkdirSync(inJob('checkpoints'));
    expect(await train('exit')).toEqual(first);
    expect(existsSync(inJob('checkpoints'))).toBe(false);
    rmSync(join(folder, 'safe'), { recursive: true });
    expect((await train('fine')).sha256).toBe(first.sha256);
  });

  it('is adopted on the next call when the first was killed before', async () => {
    const job = jobOf();
    await errorOf(train('exit', job));
    spawnSync(process.execPath, [fake, 'fine', inJob('config.json')]);
    const { history } = await train('exit', job);
    expect(history).toHaveLength(6);
    expect(linesOf('starts')).toHaveLength(2);
  });
});

describe('a training that fails', () => {
  it.each([
    ['module', 'config', /lacks the module trl/, /pip install trl peft bitsandbytes/],
    ['memory', 'engine', /ran out of memory/, /nf4/],
    ['processes', 'config', /4 rows a step cannot be shared by 3 processes/, /multiple/],
    ['fsdp', 'config', /FSDP 1 loses the adapter/, /fsdp_version: 2/],
    ['taken', 'config', /another process trains/, /ray job stop/],
    ['diverged', 'engine', /training diverged at step 3/, /learningRate/],
    ['killed', 'engine', /was ended by SIGKILL/, /memory/],
    ['exit', 'engine', /exit code 7/, /log\.txt/],
    ['submitted', 'engine', /without finished\.json/, /launcher: wait/],
  ])('%s', async (behaviour, code, message, hint) => {
    const error = await errorOf(train(behaviour));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
    expect(error.hint).toMatch(hint);
    if (behaviour === 'exit') expect(error.problems.at(-1)).toBe('ValueError: something else');
    expect(existsSync(join(folder, 'safe'))).toBe(false);
  });

  it('tells what the script said before torchrun told how its processes ended', async () => {
    const { problems } = await errorOf(train('torchrun'));
    expect(problems.at(-1)).toBe('ValueError: of the script');
  });

  it.each([
    ['rank', ['adapter_config.json: r is 8, asked for 4']],
    ['alpha', ['adapter_config.json: lora_alpha is 99, asked for 8']],
    ['base', [expect.stringMatching(/base_model_name_or_path is another\/base, asked for/)]],
    ['targets', [expect.stringMatching(/target_modules is q_proj, asked for/)]],
    ['torn', [expect.stringMatching(/was not copied whole/)]],
    ['stranger', ['finished.json: is of another training']],
    ['short', ['progress.jsonl: tells of 5 steps of 6']],
    ['unchanged', [expect.stringMatching(/nothing was learnt/)]],
    ['nan', [expect.stringMatching(/not numbers/)]],
  ])('an adapter that is not what was asked for: %s', async (behaviour, problems) => {
    expect(await errorOf(train(behaviour))).toMatchObject({ code: 'adapter', problems });
    expect(existsSync(join(folder, 'safe'))).toBe(false);
  });

  it('goes on where the script left off', async () => {
    await errorOf(train('killed'));
    const { history } = await train('fine');
    expect(history.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(linesOf('starts')).toHaveLength(2);
  });

  it('refuses a folder of another training', async () => {
    await errorOf(train('exit'));
    const error = await errorOf(train('fine', jobOf({ learningRate: 0.02 })));
    expect(error).toMatchObject({ code: 'config', message: expect.stringMatching(/holds another training/) });
  });

  it('tells a program that is not there, and a line that cannot be read', async () => {
    const error = await errorOf(createTrlTrainer({ launcher: 'no-such-python' }).train(jobOf()));
    expect(error).toMatchObject({
      code: 'config',
      message: 'training.launcher: no-such-python: no such program',
    });
    expect(() => createTrlTrainer({ launcher: 'python "x' })).toThrow('is not closed');
  });

  it('refuses GGUF files', async () => {
    const error = await errorOf(train('fine', { ...jobOf(), modelDirectory: '/models/x.gguf' }));
    expect(error).toMatchObject({ code: 'unsupported' });
  });

  it('writes no secret of the environment anywhere', async () => {
    process.env.PLAY_TOKEN = 'sesame-12345';
    try {
      const { problems } = await errorOf(train('secret'));
      // biome-ignore lint/suspicious/noTemplateCurlyInString: what is shown in the secret's place
      expect(problems.at(-1)).toBe('401 Client Error for token ${PLAY_TOKEN}');
      for (const name of readdirSync(join(folder, '.safe.job'), { recursive: true, withFileTypes: true }))
        if (name.isFile())
          expect(readFileSync(join(name.parentPath, name.name), 'latin1')).not.toContain('sesame');
    } finally {
      delete process.env.PLAY_TOKEN;
    }
  });
});

describe('stopping and waiting', () => {
  it('ends the launcher when the signal fires', async () => {
    const stop = new AbortController();
    const onStep = ({ step }: TrainingStep) => step === 3 && stop.abort();
    const error = await errorOf(train('slow', { ...jobOf(), onStep, signal: stop.signal }));
    expect(error.code).toBe('interrupted');
    const { history } = await train('fine');
    expect(history).toHaveLength(6);
  });

  it('waits for a folder that another machine fills', async () => {
    const told: string[] = [];
    const seen: number[] = [];
    const job = {
      ...jobOf(),
      onWait: (what: string) => told.push(what),
      onStep: ({ step }: TrainingStep) => seen.push(step),
    };
    const waiting = createTrlTrainer({ launcher: 'wait', pollMs: 20 }).train(job);
    while (told.length === 0) await new Promise((done) => setTimeout(done, 20));
    expect(told[0]).toContain(inJob('finished.json'));
    expect(textOf('README.md')).toContain('pip install');
    spawnSync(process.execPath, [fake, 'fine', inJob('config.json')]);
    expect((await waiting).history).toHaveLength(6);
    expect(seen).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('waits until finished.json has come over whole', async () => {
    const progress = { step: 1, loss: 2.9, gradientNorm: 1, learningRate: 1 };
    const job = {
      ...jobOf(),
      onWait: () => {
        writeFileSync(inJob('finished.json'), '{"job": "');
        writeFileSync(inJob('progress.jsonl'), `${JSON.stringify(progress)}\n`);
      },
      onStep: ({ step }: TrainingStep) =>
        void (step === 1 && spawnSync(process.execPath, [fake, 'fine', inJob('config.json')])),
    };
    const trainer = createTrlTrainer({ launcher: 'wait', pollMs: 20 });
    expect((await trainer.train(job)).history).toHaveLength(6);
  });

  it('stops waiting on Ctrl-C, and finds the folder filled later', async () => {
    const stop = new AbortController();
    const trainer = createTrlTrainer({ launcher: 'wait', pollMs: 60_000 });
    const waiting = trainer.train({
      ...jobOf(),
      // Once it waits.
      onWait: () => setImmediate(() => stop.abort()),
      signal: stop.signal,
    });
    expect(await errorOf(waiting)).toMatchObject({ code: 'interrupted' });
    spawnSync(process.execPath, [fake, 'fine', inJob('config.json')]);
    expect((await trainer.train(jobOf())).history).toHaveLength(6);
  });

  it('does not trip over progress that cannot be read', () => {
    mkdirSync(join(folder, 'progress.jsonl'));
    expect(readSteps({ directory: folder, steps: [] })).toEqual([]);
  });

  it('does not trip over a line that is not whole yet', async () => {
    await errorOf(train('killed'));
    const seen: number[] = [];
    const stop = new AbortController();
    const onStep = ({ step }: TrainingStep) => {
      seen.push(step);
      stop.abort();
    };
    const onWait = () => {
      const line = JSON.stringify({ step: 3, loss: 1, gradientNorm: 1, learningRate: 1 });
      writeFileSync(inJob('progress.jsonl'), `${textOf('progress.jsonl')}${line}\n{"step": 4, "lo`);
    };
    const waiting = { ...jobOf(), onStep, onWait, signal: stop.signal };
    await errorOf(createTrlTrainer({ launcher: 'wait', pollMs: 20 }).train(waiting));
    expect(seen).toEqual([3]);
  });
});
