import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { readDecoderConfig } from '../../src/lm/config.ts';
import { createEngine } from '../../src/lm/engine.ts';
import { createLora, writeAdapter } from '../../src/lm/lora.ts';
import { loadChatTokenizer } from '../../src/lm/tokenizer.ts';
import { trainingSequence } from '../../src/lm/train.ts';
import { createRandom } from '../../src/random.ts';
import type { TrainingRow, TrainingSettings, TrainingStep } from '../../src/trainer.ts';
import { ordinaryRows, tenSteps } from './ten-steps.ts';

/** A training of SmolLM2-135M beside TRL's and PEFT's. PYTHON names an interpreter that has torch, transformers, peft and trl. */
const python = process.env.PYTHON ?? 'python3';
const script = fileURLToPath(new URL('../../scripts/parity/sft.py', import.meta.url));
const base = process.env.SMOLLM2 ?? join(homedir(), '.cache/aftertune/smollm2-135m-instruct');
const lacks = (modules: string) =>
  spawnSync(python, ['-c', `import ${modules}`], { stdio: 'ignore' }).status !== 0;
const reason = !existsSync(join(base, 'config.json'))
  ? `${base} is missing: run scripts/fetch-smollm2.sh`
  : lacks('torch, transformers, peft, trl, datasets, bitsandbytes')
    ? `${python} lacks torch, transformers, peft, trl, datasets or bitsandbytes: set PYTHON to one that has them`
    : null;

const settings: TrainingSettings & { optimizer: string } = { ...tenSteps, optimizer: 'adamw' };

const folder = mkdtempSync(join(tmpdir(), 'trl-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Peer {
  readonly history: readonly Pick<TrainingStep, 'loss' | 'gradientNorm' | 'learningRate'>[];
  /** Of each row. */
  readonly labelledTokens: readonly number[];
}

/** The same training by TRL, from the adapter that ours starts with. */
function trainWithTrl(rows: readonly TrainingRow[], own: typeof settings): Peer {
  const tokenizer = loadChatTokenizer(base);
  const [adapter, job, out] = ['adapter', 'job.json', 'out.json'].map((name) => join(folder, name));
  const first = createLora(readDecoderConfig(base), own.lora, createRandom('lora', own.seed));
  writeAdapter(adapter!, first, { baseModelName: base, baseSha256: '0', redTeam: false, training: own });
  const texts = rows.map(({ messages }) => ({
    prompt: tokenizer.render(messages.slice(0, -1), { addGenerationPrompt: true }),
    completion: `${messages.at(-1)!.content}<|im_end|>`,
  }));
  writeFileSync(job!, JSON.stringify({ rows: texts, settings: own }));
  const result = spawnSync(python, [script, base, adapter!, job!, out!], { encoding: 'utf8' });
  if (result.status !== 0) throw new Error(`sft.py failed:\n${result.stderr}`);
  return JSON.parse(readFileSync(out!, 'utf8')) as Peer;
}

const peers = new Map<string, Peer>();

if (reason) test.skip(`training beside TRL (${reason})`, () => {});
else {
  test.each([
    ['adamw', false],
    ['adamw', true],
    ['adamw8bit', false],
  ] as const)('ten losses agree with TRL’s and PEFT’s: %s, packing %s', async (optimizer, packing) => {
    const rows = ordinaryRows(80);
    const own = { ...settings, optimizer, packing };
    const peer = peers.get(optimizer) ?? trainWithTrl(rows, own);
    peers.set(optimizer, peer);
    const tokenizer = loadChatTokenizer(base);
    const labelled = rows.map(({ messages, id }) =>
      trainingSequence(tokenizer, messages, own.maxLength, id).weights.reduce((a, b) => a + b, 0),
    );
    expect(labelled).toEqual(peer.labelledTokens);
    const job = { modelDirectory: base, rows, outputDirectory: join(folder, 'own'), redTeam: false };
    const engine = createEngine(2);
    const { history } = await engine.train({ ...job, settings: own }, () => {});
    expect(peer.history).toHaveLength(10);
    for (const [i, step] of history.entries()) {
      const other = peer.history[i]!;
      expect(Math.abs(step.loss - other.loss), `loss of step ${step.step}`).toBeLessThan(1e-3);
      expect(step.learningRate).toBeCloseTo(other.learningRate, 9);
      expect(Math.abs(step.gradientNorm / other.gradientNorm - 1), `norm ${step.step}`).toBeLessThan(1e-2);
    }
    // What was learnt is a hundred times more than the losses may differ by.
    const untrained = { ...job, rows: rows.slice(72), settings: { ...own, steps: 1, warmupSteps: 1 } };
    const before = (await engine.train(untrained, () => {})).history[0]!.loss;
    expect(before - history.at(-1)!.loss).toBeGreaterThan(0.1);
  });
}
