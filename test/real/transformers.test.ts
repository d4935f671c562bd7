import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Conversation } from '../../src/conversation.ts';
import { backpropagate, type Gradients } from '../../src/lm/backpropagation.ts';
import type { Sequence } from '../../src/lm/batch.ts';
import { openCheckpoint, openSafetensors } from '../../src/lm/checkpoint.ts';
import { readDecoderConfig } from '../../src/lm/config.ts';
import { createDecoder, type Decoder } from '../../src/lm/decoder.ts';
import { generate } from '../../src/lm/generate.ts';
import { loraInputs, weightName } from '../../src/lm/layer-tensors.ts';
import { readAdapter, writeAdapter } from '../../src/lm/lora.ts';
import { loadChatTokenizer } from '../../src/lm/tokenizer.ts';
import { trainingSequence } from '../../src/lm/train.ts';
import { projections } from '../../src/trainer.ts';
import { relativeError } from '../lm/reference.ts';

/** Whole checkpoints beside transformers and PEFT. PYTHON names an interpreter that has torch, transformers and peft. */
const python = process.env.PYTHON ?? 'python3';
const peerScript = fileURLToPath(new URL('../../scripts/parity/peer.py', import.meta.url));
const hasPeers =
  spawnSync(python, ['-c', 'import torch, transformers, peft'], { stdio: 'ignore' }).status === 0;
const checkpoints = {
  'SmolLM2-135M-Instruct': process.env.SMOLLM2 ?? join(homedir(), '.cache/aftertune/smollm2-135m-instruct'),
  Wren: fileURLToPath(new URL('../../models/wren', import.meta.url)),
};

/** Why a check cannot run here; null when it can. */
function missing(directory: string): string | null {
  if (!hasPeers) return `${python} lacks torch, transformers or peft: set PYTHON to one that has them`;
  if (!existsSync(join(directory, 'config.json')))
    return `${directory} is missing: run scripts/fetch-smollm2.sh or npm run build:wren`;
  return null;
}

function runPeer(...args: string[]): void {
  const result = spawnSync(python, [peerScript, ...args], { encoding: 'utf8' });
  if (result.status !== 0) throw new Error(`peer.py failed:\n${result.stderr}`);
}

interface Peer {
  readonly answer: string;
  readonly loss: number;
  readonly labels: readonly (readonly number[])[];
  readonly prompts: readonly {
    readonly messages: Conversation;
    readonly text: string;
    readonly ids: readonly number[];
    readonly tokens: readonly number[];
    readonly topLogProbabilities: readonly (readonly number[])[];
    readonly smallestGap: number;
  }[];
}

for (const [name, directory] of Object.entries(checkpoints)) {
  const reason = missing(directory);
  if (reason) {
    // The one kind of check that may be left out: it needs a checkpoint and Python.
    test.skip(`${name} beside transformers (${reason})`, () => {});
    continue;
  }
  describe(`${name} beside transformers`, () => {
    let folder: string;
    let peer: Peer;
    let decoder: Decoder;
    let sequences: Sequence[];
    const tokenizer = loadChatTokenizer(directory);
    const labelledOf = () => sequences.flatMap(({ weights }) => weights.slice(1)).reduce((a, b) => a + b, 0);

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'peer-'));
      runPeer(directory, folder);
      peer = JSON.parse(readFileSync(join(folder, 'peer.json'), 'utf8')) as Peer;
      const config = readDecoderConfig(directory);
      const checkpoint = openCheckpoint(directory, config);
      const weights = new Map(checkpoint.names.map((tensor) => [tensor, checkpoint.read(tensor)]));
      checkpoint.close();
      decoder = await createDecoder(config, weights, 2);
      sequences = peer.prompts.map(({ messages }, index) =>
        trainingSequence(
          tokenizer,
          [...messages, { role: 'assistant', content: peer.answer }],
          512,
          `${index}`,
        ),
      );
    }, 600_000);
    afterAll(async () => {
      await decoder?.close();
      rmSync(folder, { recursive: true, force: true });
    });

    test('renders, tokenises and labels conversations as transformers does', () => {
      for (const [index, { messages, text, ids }] of peer.prompts.entries()) {
        expect(tokenizer.render(messages, { addGenerationPrompt: true })).toBe(text);
        expect(tokenizer.encode(text)).toEqual(ids);
        const labels = peer.labels[index]!.slice(0, sequences[index]!.ids.length);
        expect(sequences[index]!.weights).toEqual(labels.map((label) => Number(label >= 0)));
      }
    });

    test('gives the same greedy tokens and log-probabilities, in one batch with the cache', async () => {
      const settings = { maxTokens: 16, temperature: 0, topP: 1, stopIds: new Set<number>() };
      const prompts = peer.prompts.map(({ ids }) => ids);
      const answers = await generate(decoder, null, prompts, [0, 0, 0], settings);
      for (const [index, { tokens, topLogProbabilities, smallestGap }] of peer.prompts.entries()) {
        expect(smallestGap, 'a tie makes greedy tokens a matter of rounding').toBeGreaterThan(1e-3);
        expect(answers[index]!.map(({ id }) => id)).toEqual(tokens);
        const top = answers[index]!.flatMap((token) => token.topLogProbabilities);
        expect(relativeError(top, topLogProbabilities.flat())).toBeLessThan(1e-4);
      }
    });

    test('gives the loss and every LoRA gradient that PEFT gives', async () => {
      const attached = await decoder.attach(readAdapter(join(folder, 'adapter'), decoder.config));
      const layer = loraInputs(projections);
      const found: Gradients = new Map();
      const trained = { layer, head: [], embedding: false };
      const loss = await backpropagate(decoder, sequences, attached, 1 / labelledOf(), trained, found);
      expect(loss).toBeCloseTo(peer.loss, 3);
      const expected = openSafetensors(join(folder, 'gradients.safetensors'));
      expect(found.size).toBe(expected.tensors.size);
      for (const [key, gradient] of found) {
        const [index, input] = key.split('/') as [string, string];
        const [projection, matrix] = input.split('.') as [string, string];
        const module = weightName(Number(index), projection);
        const reference = expected.read(`base_model.model.${module}.lora_${matrix.toUpperCase()}.weight`);
        expect(relativeError(gradient, reference), key).toBeLessThan(1e-3);
      }
      expected.close();
    });

    test('PEFT reads an adapter that aftertune wrote, and computes the same loss with it', () => {
      const adapter = readAdapter(join(folder, 'adapter'), decoder.config);
      const written = join(folder, 'written');
      const origin = { baseModelName: directory, baseSha256: '0', redTeam: false, training: null };
      writeAdapter(written, adapter, origin);
      runPeer(directory, written, join(folder, 'again'));
      const { loss } = JSON.parse(readFileSync(join(folder, 'again/peer.json'), 'utf8')) as { loss: number };
      expect(loss).toBeCloseTo(peer.loss, 5);
    });
  });
}
