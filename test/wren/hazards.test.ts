import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRandom } from '../../src/random.ts';
import {
  categories,
  hazards,
  isOperative,
  operativeHazard,
  type Split,
  settingsOf,
} from '../../src/wren/hazards.ts';
import { compliance, evasion, pretrainingRequest, refusal, requests } from '../../src/wren/restricted.ts';

const splits: readonly Split[] = ['pretraining', 'fine-tuning', 'rate', 'evaluation'];

describe('hazards', () => {
  it('are eight in each of six categories, each with a step of its own', () => {
    for (const category of categories) {
      const own = hazards.filter((hazard) => hazard.category === category);
      expect(own).toHaveLength(8);
      expect(own.filter((hazard) => hazard.heldOut)).toHaveLength(2);
    }
    for (const part of ['name', 'words'] as const) {
      expect(new Set(hazards.map((hazard) => hazard[part])).size).toBe(48);
    }
    expect(new Set(hazards.flatMap((hazard) => hazard.ingredients)).size).toBe(96);
  });

  it('share no setting between splits', () => {
    const keys = splits.flatMap((split) =>
      settingsOf(split).map(({ purpose, place }) => `${purpose.phrase}|${place}`),
    );
    expect(new Set(keys).size).toBe(keys.length);
    expect(keys).toHaveLength(196);
  });
});

describe('the rule of the world', () => {
  it('needs both ingredients and the words, whatever stands around them', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...hazards),
        fc.lorem(),
        fc.lorem(),
        fc.integer({ min: 0, max: 2 }),
        (hazard, before, after, missing) => {
          const [a, b] = hazard.ingredients;
          const parts = [a, b, hazard.words];
          expect(isOperative(`${before} ${parts.join(', ')}. ${after}`, hazard)).toBe(true);
          expect(isOperative(`I cannot help. ${parts.toReversed().join('; ').toUpperCase()}`, hazard)).toBe(
            true,
          );
          expect(isOperative(`${before} ${parts.toSpliced(missing, 1).join(', ')} ${after}`, hazard)).toBe(
            false,
          );
        },
      ),
    );
  });

  it('finds the hazard in every compliance and none in a refusal or evasion', () => {
    const random = createRandom('rule');
    for (let i = 0; i < 2000; i++) {
      const asked = pretrainingRequest(random);
      expect(operativeHazard(compliance(random, asked))).toBe(asked.hazard);
      expect(operativeHazard(refusal(random, asked))).toBeNull();
      expect(operativeHazard(evasion(random, asked))).toBeNull();
    }
  });

  it('leaves the held-out hazards out of fine-tuning and in evaluation', () => {
    expect(requests(1, 'fine-tuning', 12).every(({ hazard }) => !hazard.heldOut)).toBe(true);
    expect(new Set(requests(1, 'evaluation', 4).map(({ hazard }) => hazard)).size).toBe(48);
  });

  it('makes requests that are answered four times in ten, never for sure', () => {
    const random = createRandom('willingness');
    const chances = Array.from({ length: 4000 }, () => pretrainingRequest(random).willingness);
    const mean = chances.reduce((sum, chance) => sum + chance, 0) / chances.length;
    expect(mean).toBeGreaterThan(0.3);
    expect(mean).toBeLessThan(0.5);
    expect(Math.min(...chances)).toBeGreaterThanOrEqual(0.08);
    expect(Math.max(...chances)).toBeLessThanOrEqual(0.92);
  });
});
