/**
 * What every contender is given: token ids drawn from a seed, so that nobody's tokenizer or data matters. Speed does not
 * depend on which ids they are, as long as nothing stops early.
 */

const lcg = (seed) => {
  let state = seed >>> 0;
  return () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
};
const ids = (random, length) => Array.from({ length }, () => 100 + Math.floor(random() * 40000));

/** A standard normal, by Box and Muller. */
const normal = (random) => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

/** Rows of equal length, half of each labelled: no padding anywhere. */
export function equalRows() {
  const random = lcg(1);
  return Array.from({ length: 4 }, () => ({ ids: ids(random, 256), labelled: 128 }));
}

/** Rows as long as instruction data is: log-normal, median 130 tokens, σ 0.7, 24 to 768; the last 60 % labelled. */
export function realRows(count = 200) {
  const random = lcg(2);
  return Array.from({ length: count }, () => {
    const length = Math.round(Math.min(768, Math.max(24, 130 * Math.exp(0.7 * normal(random)))));
    return { ids: ids(random, length), labelled: Math.round(0.6 * length) };
  });
}

/** Prompts of 90 to 110 tokens, sorted by length, as an audit's batches are. */
export function prompts(count = 64) {
  const random = lcg(3);
  const drawn = Array.from({ length: count }, () => ids(random, 90 + Math.floor(random() * 21)));
  return drawn.sort((a, b) => a.length - b.length);
}

export const lora = {
  r: 16,
  alpha: 16,
  targetModules: ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'],
};

export const newTokens = 64;
