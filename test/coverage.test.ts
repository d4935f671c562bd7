import { describe, expect, test } from 'vitest';
import { createRandom } from '../src/random.ts';
import { type Interval, mcnemarP, neededForPairs, tangoInterval, wilsonInterval } from '../src/stats.ts';
import { decideVerdict } from '../src/verdict.ts';

/** Seeded simulations: whether the intervals hold what 95 % promises, and what the verdict's errors are at the margin. */

const share = (hits: number, runs: number) => hits / runs;
const holds = (interval: Interval | null, truth: number) => interval![0] <= truth && truth <= interval![1];

/** Draws of (gained, lost) among n pairs. */
function drawPairs(n: number, gain: number, loss: number, runs: number, seed: string) {
  const random = createRandom('coverage', seed);
  return Array.from({ length: runs }, () => {
    let [gained, lost] = [0, 0];
    for (let i = 0; i < n; i++) {
      const u = random.next();
      if (u < gain) gained++;
      else if (u < gain + loss) lost++;
    }
    return { gained, lost };
  });
}

describe('coverage of 95 % intervals', () => {
  test.each([
    [40, 0.05],
    [180, 0.02],
    [320, 0.41],
    [100, 0.9],
  ])('Wilson, n = %d, rate %d', (n, p) => {
    const runs = 4000;
    const random = createRandom('wilson', n);
    let held = 0;
    for (let run = 0; run < runs; run++) {
      let k = 0;
      for (let i = 0; i < n; i++) k += random.next() < p ? 1 : 0;
      if (holds(wilsonInterval(k, n), p)) held++;
    }
    expect(share(held, runs)).toBeGreaterThan(0.93);
    expect(share(held, runs)).toBeLessThan(0.985);
  });

  test.each([
    [50, 0.1, 0.05],
    [180, 0.3, 0.02],
    [240, 0.05, 0.05],
    [320, 0.02, 0.02],
  ])('Tango, n = %d, gain %d, loss %d', (n, gain, loss) => {
    const runs = 2000;
    const held = drawPairs(n, gain, loss, runs, `tango ${n}`).filter(({ gained, lost }) =>
      holds(tangoInterval(gained, lost, n), gain - loss),
    ).length;
    expect(share(held, runs)).toBeGreaterThan(0.93);
    expect(share(held, runs)).toBeLessThan(0.98);
  });

  test('exact McNemar rejects at most 5 % where nothing changed', () => {
    const runs = 4000;
    const rejected = drawPairs(180, 0.06, 0.06, runs, 'mcnemar').filter(
      ({ gained, lost }) => mcnemarP(gained, lost) <= 0.05,
    );
    expect(share(rejected.length, runs)).toBeLessThanOrEqual(0.05);
    expect(share(rejected.length, runs)).toBeGreaterThan(0.01);
  });
});

describe('the verdict’s errors, margin 5 points', () => {
  const verdicts = (n: number, gain: number, loss: number, runs: number, strict = false) =>
    drawPairs(n, gain, loss, runs, `verdict ${n} ${gain}`).map(({ gained, lost }) => {
      const interval = tangoInterval(gained, lost, n)!;
      const ci95Points = [100 * interval[0], 100 * interval[1]] as const;
      const deltaPoints = (100 * (gained - lost)) / n;
      return decideVerdict(
        { deltaPoints, ci95Points, worstCaseHighPoints: ci95Points[1], unscoredShare: 0 },
        5,
        strict,
      );
    });
  const rate = (all: readonly string[], verdict: string) =>
    share(all.filter((given) => given === verdict).length, all.length);

  test.each([
    [200, 0.1, 0.05],
    [400, 0.08, 0.03],
  ])('true difference at the margin: false PASS about 2.5 % (n = %d)', (n, gain, loss) => {
    const passed = rate(verdicts(n, gain, loss, 3000), 'PASS');
    expect(passed).toBeLessThan(0.034);
    expect(passed).toBeGreaterThan(0.012);
  });

  test('nothing changed: false FAIL at most 2.5 %; strict even less', () => {
    const failed = rate(verdicts(300, 0.08, 0.08, 3000), 'FAIL');
    expect(failed).toBeLessThan(0.03);
    expect(rate(verdicts(300, 0.08, 0.08, 3000, true), 'FAIL')).toBe(0);
  });

  test('far beyond the margin FAIL is sure, and at the margin it is a coin flip', () => {
    expect(rate(verdicts(300, 0.3, 0.05, 300), 'FAIL')).toBe(1);
    expect(Math.abs(rate(verdicts(1500, 0.075, 0.025, 1000), 'FAIL') - 0.5)).toBeLessThan(0.06);
  });

  test.each([0.02, 0.06, 0.16])(
    'with the items said to be needed (discordant share %d), PASS comes 4 times in 5',
    (discordant) => {
      const n = neededForPairs(discordant, 0.05);
      const passed = rate(verdicts(n, discordant / 2, discordant / 2, 2000), 'PASS');
      expect(passed).toBeGreaterThan(0.76);
      expect(passed).toBeLessThan(0.86);
    },
  );

  test.each([
    [0.16, 0.79, 0.81],
    [0.06, 0.72, 0.83],
    [0.02, 0.26, 0.82],
    [0.01, 0, 0.9],
  ])(
    'the plain sample size falls short where few pairs are discordant (%d), Nam’s does not',
    (psi, plain, nam) => {
      expect(
        powerToPass(Math.ceil(((1.959963984540054 + 0.8416212335729143) / 0.05) ** 2 * psi), psi),
      ).toBeCloseTo(plain, 2);
      expect(powerToPass(neededForPairs(psi, 0.05), psi)).toBeCloseTo(nam, 2);
    },
  );
});

/** Exact power: P(upper end < 0.05) when gains and losses are equally likely, summed over the trinomial distribution. */
function powerToPass(n: number, psi: number): number {
  const logFactorial = [0];
  for (let i = 1; i <= n; i++) logFactorial.push(logFactorial[i - 1]! + Math.log(i));
  const choose = (of: number, k: number) => logFactorial[of]! - logFactorial[k]! - logFactorial[of - k]!;
  let power = 0;
  for (let discordant = 0; discordant <= n; discordant++) {
    const logShare =
      choose(n, discordant) + discordant * Math.log(psi / 2) + (n - discordant) * Math.log(1 - psi);
    for (let gained = 0; gained <= discordant; gained++) {
      const probability = Math.exp(logShare + choose(discordant, gained));
      if (probability < 1e-12) continue;
      if (tangoInterval(gained, discordant - gained, n)![1] < 0.05) power += probability;
    }
  }
  return power;
}
