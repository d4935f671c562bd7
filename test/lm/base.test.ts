import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { AuditError } from '../../src/errors.ts';
import { createBases, openModelFolder } from '../../src/lm/base.ts';
import { createBatch } from '../../src/lm/batch.ts';
import { defaultOptions, type ModelOptions } from '../../src/model.ts';
import { byteLengthOf, formatOf } from '../../src/onnx/stored.ts';

const fixtures = fileURLToPath(new URL('../fixtures/', import.meta.url));
const open = async (path: string, memory: ModelOptions['memory']) =>
  createBases(1).use(await openModelFolder(fixtures + path), { ...defaultOptions, memory });

describe('how a base lies in memory', () => {
  it('low: byte for byte as the file has it; fast: in float32; the numbers are the same to the bit', async () => {
    const [low, fast] = [await open('parity/tied-f16', 'low'), await open('parity/tied-f16', 'fast')];
    const formats = (base: typeof low) => new Set([...base.decoder.weights.values()].map(formatOf));
    expect([...formats(low)]).toEqual(['f16']);
    expect([...formats(fast)]).toEqual(['f32']);
    const bytes = (base: typeof low) =>
      [...base.decoder.weights.values()].reduce((sum, stored) => sum + byteLengthOf(stored), 0);
    expect(bytes(fast)).toBe(2 * bytes(low));
    const states = [];
    for (const { decoder } of [low, fast]) {
      const batch = createBatch([[5, 6, 7, 8]]);
      states.push((await decoder.layer(0, decoder.embed(batch.ids), batch, null)).y);
      await decoder.close();
    }
    expect(states[0]).toEqual(states[1]);
  });

  it('auto: float32 where that takes little of the memory', async () => {
    const { decoder } = await open('parity/tied-f16', 'auto');
    expect(formatOf(decoder.weights.get('model.norm.weight')!)).toBe('f32');
    await decoder.close();
  });

  it('is shared by all who ask for the same, and let go when another is asked for', async () => {
    const bases = createBases(1);
    const folder = await openModelFolder(`${fixtures}parity/tied`);
    const first = await bases.use(folder, defaultOptions);
    expect(await bases.use(folder, { ...defaultOptions, enableThinking: true })).toBe(first);
    expect(first.users).toBe(2);
    first.users = 0;
    const other = await bases.use(folder, { ...defaultOptions, memory: 'low' });
    expect(other).not.toBe(first);
    expect(await bases.use(folder, defaultOptions)).not.toBe(first);
  });

  it('names a file that is not there', async () => {
    await expect(openModelFolder('/nowhere/model.gguf')).rejects.toBeInstanceOf(AuditError);
    await expect(openModelFolder('/nowhere')).rejects.toThrow('no such model folder');
  });
});
