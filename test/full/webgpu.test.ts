import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

/** WebGPU without a GPU: SwiftShader, a Vulkan driver in software, as Debian's chromium brings it along. */
const driver = process.env.VULKAN_DRIVER ?? '/usr/lib/chromium/vk_swiftshader_icd.json';
const libraries = process.env.VULKAN_LIBRARIES ?? '/usr/lib/chromium';
const script = fileURLToPath(new URL('webgpu-parity.mjs', import.meta.url));
const fixtures = fileURLToPath(new URL('../fixtures/architectures/', import.meta.url));

function measure(folders: readonly string[], environment: Record<string, string>) {
  const env = { ...process.env, ...environment };
  return spawnSync(process.execPath, [script, ...folders], { encoding: 'utf8', env, timeout: 300_000 });
}

describe('WebGPU', () => {
  it('computes the losses, LoRA gradients and greedy tokens of the CPU, weights resident', {
    timeout: 320_000,
  }, () => {
    expect(
      existsSync(driver),
      `${driver}: install Debian's chromium, or set VULKAN_DRIVER and VULKAN_LIBRARIES`,
    ).toBe(true);
    const folders = ['llama3', 'gemma2'].map((name) => fixtures + name);
    const run = measure(folders, { VK_ICD_FILENAMES: driver, LD_LIBRARY_PATH: libraries });
    expect(run.stderr).toBe('');
    const results = JSON.parse(run.stdout);
    for (const folder of folders) {
      const { gradient, losses, tokens } = results[folder];
      expect(gradient, folder).toBeGreaterThan(0); // a result equal to the last bit would have been the CPU's
      expect(gradient, folder).toBeLessThan(1e-5);
      expect(losses.webgpu[1]).toBe(losses.webgpu[0]);
      expect(losses.webgpu[0]).toBeCloseTo(losses.cpu[0], 4);
      expect(tokens.webgpu).toEqual(tokens.cpu);
    }
  });

  /** Opens a model on a device in a process of its own; prints what it runs on, or the error's exit code. */
  function openOn(device: string, environment: Record<string, string>): string {
    const source = `
      import { createEngine } from './dist/lm/engine.js';
      const options = { device: '${device}', memory: 'auto', enableThinking: null };
      const opened = createEngine(1).open('models/wren', null, options);
      const result = await opened.then((facts) => facts.device, (error) => 'exit ' + error.exitCode);
      process.stdout.write(result, () => process.exit(0));`;
    const cwd = fileURLToPath(new URL('../../', import.meta.url));
    const env = { ...process.env, ...environment };
    return spawnSync(process.execPath, ['--input-type=module', '-e', source], { cwd, env, encoding: 'utf8' })
      .stdout;
  }

  it('is taken by auto where there is one; without, auto is the CPU and webgpu an error of usage', {
    timeout: 120_000,
  }, () => {
    const none = { VK_ICD_FILENAMES: '/nowhere', VK_DRIVER_FILES: '/nowhere' };
    expect(openOn('auto', { VK_ICD_FILENAMES: driver, LD_LIBRARY_PATH: libraries })).toBe('webgpu');
    expect(openOn('auto', none)).toBe('cpu');
    expect(openOn('webgpu', none)).toBe('exit 3');
  });

  it('says so where there is no device', () => {
    const run = measure([`${fixtures}llama3`], { VK_ICD_FILENAMES: '/nowhere', VK_DRIVER_FILES: '/nowhere' });
    expect(run.status).not.toBe(0);
    expect(run.stderr).toContain('no WebGPU device can be used');
  });
});
