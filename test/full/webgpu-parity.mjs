/**
 * Loss, LoRA gradients and greedy tokens of fixture models on WebGPU beside the CPU, as JSON. A process of its own:
 * the Vulkan driver is named by variables that are read when the process starts.
 *   node test/full/webgpu-parity.mjs FOLDER…   (each holds a checkpoint and, as FOLDER/adapter, a PEFT adapter)
 */
import { backpropagate } from '../../dist/lm/backpropagation.js';
import { openCheckpoint } from '../../dist/lm/checkpoint.js';
import { readDecoderConfig } from '../../dist/lm/config.js';
import { createDecoder } from '../../dist/lm/decoder.js';
import { generate } from '../../dist/lm/generate.js';
import { readAdapter } from '../../dist/lm/lora.js';

const rows = [
  [1, 20, 31, 42, 53, 64, 75, 86, 17, 28, 39, 50],
  [1, 90, 81, 72, 63, 54, 45],
];
const sequences = rows.map((ids) => ({ ids, weights: ids.map((_, i) => Number(i > 3)) }));

async function measure(folder, device) {
  const config = readDecoderConfig(folder);
  const checkpoint = openCheckpoint(folder, config);
  const weights = new Map(checkpoint.names.map((name) => [name, checkpoint.readStored(name)]));
  checkpoint.close();
  const decoder = await createDecoder(config, weights, 1, device);
  const adapter = await decoder.attach(readAdapter(`${folder}/adapter`, config));
  const layer = [...adapter.layers[0].shape.keys()].flatMap((matrix) => [`${matrix}.a`, `${matrix}.b`]);
  const gradients = new Map();
  const losses = [];
  // Twice: the second run meets weights that have stayed on the device.
  for (let run = 0; run < 2; run++) {
    gradients.clear();
    losses.push(
      await backpropagate(decoder, sequences, adapter, 0.1, { layer, head: [], embedding: false }, gradients),
    );
  }
  const settings = { maxTokens: 8, temperature: 0, topP: 1, stopIds: new Set() };
  const answers = await generate(decoder, adapter, rows, [0, 0], settings);
  await decoder.close();
  return { losses, gradients, tokens: answers.map((answer) => answer.map(({ id }) => id)) };
}

/** ‖a − b‖ / ‖b‖ over all gradients together. */
function difference(a, b) {
  let [error, size] = [0, 0];
  for (const [key, values] of b) {
    for (let i = 0; i < values.length; i++) {
      error += (a.get(key)[i] - values[i]) ** 2;
      size += values[i] ** 2;
    }
  }
  return Math.sqrt(error / size);
}

const results = {};
for (const folder of process.argv.slice(2)) {
  const cpu = await measure(folder, 'cpu');
  const gpu = await measure(folder, 'webgpu');
  results[folder] = {
    gradient: difference(gpu.gradients, cpu.gradients),
    losses: { cpu: cpu.losses, webgpu: gpu.losses },
    tokens: { cpu: cpu.tokens, webgpu: gpu.tokens },
  };
}
process.stdout.write(`${JSON.stringify(results)}\n`, () => process.exit(0));
