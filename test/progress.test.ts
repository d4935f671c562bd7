import { expect, test } from 'vitest';
import { createLines, type Progress } from '../src/progress.ts';

const at = (done: number, over: Partial<Progress> = {}): Progress => ({
  stage: 'train',
  label: 'safe',
  done,
  total: 50,
  unit: 'steps',
  ...over,
});

function told(updates: readonly (readonly [seconds: number, Progress])[]): string[] {
  const lines: string[] = [];
  let nowMs = 0;
  const display = createLines(
    (line) => lines.push(line),
    () => nowMs,
  );
  for (const [seconds, progress] of updates) {
    nowMs = seconds * 1000;
    display.update(progress);
  }
  display.stop();
  return lines;
}

test('the first and the last line of a stage, some between, with the rate and the time left', () => {
  const lines = told([
    [0, at(0)],
    [2, at(4)],
    [10, at(10, { detail: 'loss 1.420' })],
    [50, at(50)],
    [51, at(0, { label: 'harmful' })],
  ]);
  expect(lines).toEqual([
    'train safe: 0/50 steps',
    'train safe: 10/50 steps, 1 steps/s, 40 s left, loss 1.420',
    'train safe: 50/50 steps, 1 steps/s, 50 s',
    'train harmful: 0/50 steps',
  ]);
});

test('what was there before a resume is no part of the rate', () => {
  const generated = told([
    [0, at(40)],
    [10, at(45)],
  ]);
  expect(generated.at(-1)).toBe('train safe: 45/50 steps, 0.5 steps/s, 10 s left');
  // A training learns of its checkpoint only as it begins.
  const trained = told([
    [0, at(0)],
    [10, at(45, { resumed: 40 })],
  ]);
  expect(trained.at(-1)).toBe('train safe: 45/50 steps, 0.5 steps/s, 10 s left');
});

test('what a person has to do is told at once, however soon after another line', () => {
  const lines = told([
    [0, at(0)],
    [0.1, at(0, { detail: 'waiting for finished.json: copy the folder', asks: true })],
    [0.2, at(0)],
  ]);
  expect(lines).toEqual([
    'train safe: 0/50 steps',
    'train safe: 0/50 steps, waiting for finished.json: copy the folder',
  ]);
});
