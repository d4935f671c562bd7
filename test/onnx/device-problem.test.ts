import { expect, test } from 'vitest';
import { deviceProblem } from '../../src/onnx/session.ts';

test('a device without room is told apart from no device at all', () => {
  const full = deviceProblem(new Error('Failed to allocate memory for requested buffer of size 4294967296'));
  expect(full.code).toBe('unsupported');
  expect(full.message).toContain('has no room for the model');
  expect(full.hint).toContain('4-bit');
  const none = deviceProblem(new Error('Failed to get a WebGPU adapter: no suitable adapter'));
  expect(none.message).toContain('no WebGPU device can be used');
  expect(none.hint).toContain('Vulkan');
});
