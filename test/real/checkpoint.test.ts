import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { decoderTensorShapes, openCheckpoint, writeCheckpoint } from '../../src/lm/checkpoint.ts';
import { readDecoderConfig } from '../../src/lm/config.ts';
import { readAdapter, writeAdapter } from '../../src/lm/lora.ts';

/** What we write, loaded by transformers and PEFT. PYTHON names an interpreter that has torch, transformers and peft. */
const python = process.env.PYTHON ?? 'python3';
const hasPeers =
  spawnSync(python, ['-c', 'import torch, transformers, peft'], { stdio: 'ignore' }).status === 0;
const fixtures = join(import.meta.dirname, '../fixtures/parity');
const folder = mkdtempSync(join(tmpdir(), 'aftertune-written-'));
afterAll(() => rmSync(folder, { recursive: true }));

const compare = `
import json, sys, torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

def load(directory, adapter=None):
    model = AutoModelForCausalLM.from_pretrained(directory, dtype="auto")
    return PeftModel.from_pretrained(model, adapter).eval() if adapter else model.eval()

ids = torch.tensor([[1, 9, 40, 200, 17]])
results = []
for written, original in json.loads(sys.argv[1]):
    ours, theirs = load(*written), load(*original)
    with torch.no_grad():
        difference = (ours(ids).logits - theirs(ids).logits).abs().max().item()
    ends = ours.generation_config.eos_token_id
    results.append({"type": type(theirs).__name__, "dtype": str(ours.dtype), "difference": difference, "eos": ends})
print(json.dumps(results))
`;

/** Logits of each pair of [model, adapter?], in one process: importing torch takes seconds. */
function compareInPython(pairs: readonly (readonly [string[], string[]])[]): unknown {
  const result = spawnSync(python, ['-c', compare, JSON.stringify(pairs)], { encoding: 'utf8' });
  if (result.status !== 0) throw new Error(`python failed:\n${result.stderr}`);
  return JSON.parse(result.stdout);
}

function copy(name: string, dtype: 'F32' | 'F16' | 'BF16'): string {
  const directory = join(fixtures, name);
  const config = readDecoderConfig(directory);
  const checkpoint = openCheckpoint(directory, config);
  const weights = new Map(
    [...decoderTensorShapes(config)].map(([tensor, shape]) => [
      tensor,
      { shape, data: checkpoint.read(tensor) },
    ]),
  );
  checkpoint.close();
  const target = join(folder, `${name}-${dtype}`);
  writeCheckpoint(target, config, weights, { dtype });
  return target;
}

describe('what we write', () => {
  if (!hasPeers) {
    test(`not checked: ${python} lacks torch, transformers or peft; set PYTHON to one that has them`, () => {
      expect(hasPeers).toBe(false);
    });
    return;
  }

  test('checkpoints load unchanged in transformers, an adapter in PEFT, with the same logits', () => {
    const base = join(fixtures, 'tied');
    const adapter = join(folder, 'adapter');
    const origin = { baseModelName: base, baseSha256: '0'.repeat(64), redTeam: true, training: null };
    writeAdapter(adapter, readAdapter(join(fixtures, 'adapter'), readDecoderConfig(base)), origin);
    const got = compareInPython([
      [[copy('tied', 'F32')], [base]],
      [[copy('untied', 'F32')], [join(fixtures, 'untied')]],
      [[copy('tied', 'F16')], [join(fixtures, 'tied-f16')]],
      [[copy('tied', 'BF16')], [join(fixtures, 'tied-bf16-sharded')]],
      [
        [base, adapter],
        [base, join(fixtures, 'adapter')],
      ],
    ]);
    const same = { type: 'LlamaForCausalLM', difference: 0, eos: 2 };
    expect(got).toEqual([
      { ...same, dtype: 'torch.float32' },
      { ...same, dtype: 'torch.float32' },
      { ...same, dtype: 'torch.float16' },
      { ...same, dtype: 'torch.bfloat16' },
      { ...same, dtype: 'torch.float32', type: 'PeftModelForCausalLM' },
    ]);
  });
});
