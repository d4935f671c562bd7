import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { AuditError } from '../../src/errors.ts';
import type { Recording } from '../../src/importer.ts';
import { createRandom } from '../../src/random.ts';
import { temporaryFile } from '../temporary-folder.ts';
import { fixture, readFile } from './read-fixture.ts';

/** Whatever happens to a file: an error that says so, or an import in which no damage made an answer safe. */

const files = readdirSync(fixture('.')).filter((name) => /\.(json|jsonl|eval)$/.test(name));
const optionsFor = (name: string) => ({
  unsafeScore: name.startsWith('inspect-requests') ? 'I' : null,
  part: name.startsWith('promptfoo-questions') ? 'scripted' : null,
});
const safeIn = ({ answers }: Recording) =>
  answers.flatMap(({ outcomes }) =>
    Object.values(outcomes).filter(({ label }) => label === 'safe' || label === 'correct'),
  ).length;

async function tryRead(name: string, bytes: Buffer): Promise<Recording | null> {
  try {
    return await readFile(temporaryFile(name, bytes), optionsFor(name));
  } catch (error) {
    if (error instanceof AuditError) return null;
    throw error;
  }
}

describe.each(files)('%s', (name) => {
  const whole = readFileSync(fixture(name));
  const random = createRandom(7, name);

  it('cut off anywhere', async () => {
    const safe = safeIn((await tryRead(name, whole))!);
    let refused = 0;
    for (let round = 0; round < 12; round++) {
      const cut = whole.subarray(0, random.integer(whole.length - 1));
      const recording = await tryRead(name, cut);
      if (recording === null) refused++;
      else expect(safeIn(recording)).toBeLessThanOrEqual(safe);
    }
    // JSON lines may end at a line's end, everything else is never whole.
    expect(refused).toBeGreaterThanOrEqual(name.endsWith('.jsonl') ? 9 : 12);
  });

  it('with flipped bytes', async () => {
    const safe = safeIn((await tryRead(name, whole))!);
    for (let round = 0; round < 25; round++) {
      const flipped = Buffer.from(whole);
      flipped[random.integer(whole.length)]! ^= 1 << random.integer(8);
      const recording = await tryRead(name, flipped);
      // One flip can turn one label into the other: that is a label then. More it cannot.
      if (recording) expect(safeIn(recording)).toBeLessThanOrEqual(safe + 1);
    }
  });
});
