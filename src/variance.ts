/** One value of a crossed design. */
export interface Observation {
  readonly item: string;
  readonly template: string;
  readonly seed: string;
  readonly repeat: number;
  readonly value: number;
}

/** Variances; they add up to `total`. */
export interface VarianceComponents {
  readonly item: number;
  readonly template: number;
  readonly seed: number;
  /** The residual: repeats and all interactions. */
  readonly repeat: number;
  readonly total: number;
}

/**
 * Components of variance of value = mean + item + template + seed + residual, all random, by the analysis of variance:
 * (mean square − residual mean square) / observations per level, where negative 0; a factor with one level has 0.
 * Assumes a balanced design: every item under every template, seed and repeat. Unbiased before the cut at 0.
 * @throws Error when the design is not balanced, or nothing is left for the residual.
 * Source: Searle, Casella & McCulloch 1992, Variance Components, chapter 4.
 */
export function varianceComponents(observations: readonly Observation[]): VarianceComponents {
  const n = observations.length;
  const average = observations.reduce((sum, { value }) => sum + value, 0) / n;
  const factors = (['item', 'template', 'seed'] as const).map((factor) => {
    const levels = new Map<string, { sum: number; count: number }>();
    for (const { [factor]: level, value } of observations) {
      const own = levels.get(level) ?? { sum: 0, count: 0 };
      levels.set(level, own);
      own.sum += value;
      own.count++;
    }
    const perLevel = n / levels.size;
    if ([...levels.values()].some(({ count }) => count !== perLevel))
      throw new Error(`internal: variance components of an unbalanced design (${factor})`);
    const squares = [...levels.values()].reduce(
      (sum, own) => sum + perLevel * (own.sum / perLevel - average) ** 2,
      0,
    );
    return { squares, freedom: levels.size - 1, perLevel };
  });
  const all = observations.reduce((sum, { value }) => sum + (value - average) ** 2, 0);
  const explained = factors.reduce((sum, { squares }) => sum + squares, 0);
  const freedom = n - 1 - factors.reduce((sum, factor) => sum + factor.freedom, 0);
  if (!(freedom > 0)) throw new Error('internal: variance components without a residual');
  const residual = Math.max(0, all - explained) / freedom;
  const [item, template, seed] = factors.map(({ squares, freedom: own, perLevel }) =>
    own === 0 ? 0 : Math.max(0, (squares / own - residual) / perLevel),
  ) as [number, number, number];
  return { item, template, seed, repeat: residual, total: item + template + seed + residual };
}
