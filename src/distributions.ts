/** Normal and Student distributions, to about 1e-14. */

const polynomial = (x: number, ...coefficients: readonly number[]) =>
  coefficients.reduce((sum, c) => sum * x + c, 0);

/**
 * Φ⁻¹(p) for p in [0, 1]; ±Infinity at the ends.
 * Source: Wichura 1988, algorithm AS 241 (PPND16), Applied Statistics 37:477–484.
 */
export function normalQuantile(p: number): number {
  if (!(p >= 0 && p <= 1)) throw new Error(`internal: normal quantile of ${p}`);
  const q = p - 0.5;
  if (Math.abs(q) <= 0.425) return q * central(0.180625 - q * q);
  const tail = Math.min(p, 1 - p);
  if (tail === 0) return q < 0 ? -Infinity : Infinity;
  const r = Math.sqrt(-Math.log(tail));
  return Math.sign(q) * (r <= 5 ? middle(r - 1.6) : far(r - 5));
}

const central = (r: number) =>
  polynomial(
    r,
    2509.0809287301226727,
    33430.575583588128105,
    67265.770927008700853,
    45921.953931549871457,
    13731.693765509461125,
    1971.5909503065514427,
    133.14166789178437745,
    3.387132872796366608,
  ) /
  polynomial(
    r,
    5226.495278852854561,
    28729.085735721942674,
    39307.89580009271061,
    21213.794301586595867,
    5394.1960214247511077,
    687.1870074920579083,
    42.313330701600911252,
    1,
  );

const middle = (r: number) =>
  polynomial(
    r,
    7.7454501427834140764e-4,
    0.0227238449892691845833,
    0.24178072517745061177,
    1.27045825245236838258,
    3.64784832476320460504,
    5.7694972214606914055,
    4.6303378461565452959,
    1.42343711074968357734,
  ) /
  polynomial(
    r,
    1.05075007164441684324e-9,
    5.475938084995344946e-4,
    0.0151986665636164571966,
    0.14810397642748007459,
    0.68976733498510000455,
    1.6763848301838038494,
    2.05319162663775882187,
    1,
  );

const far = (r: number) =>
  polynomial(
    r,
    2.01033439929228813265e-7,
    2.71155556874348757815e-5,
    0.0012426609473880784386,
    0.026532189526576123093,
    0.29656057182850489123,
    1.7848265399172913358,
    5.4637849111641143699,
    6.6579046435011037772,
  ) /
  polynomial(
    r,
    2.04426310338993978564e-15,
    1.4215117583164458887e-7,
    1.8463183175100546818e-5,
    7.868691311456132591e-4,
    0.0148753612908506148525,
    0.13692988092273580531,
    0.59983220655588793769,
    1,
  );

/**
 * Φ(x).
 * Source: Hart 1968, in the form of West 2005, "Better approximations to cumulative normal functions", Wilmott.
 */
export function normalCdf(x: number): number {
  const size = Math.abs(x);
  const tail =
    size > 37 ? 0 : Math.exp((-size * size) / 2) * (size < 7.07106781186547 ? nearTail(size) : farTail(size));
  return x > 0 ? 1 - tail : tail;
}

const nearTail = (x: number) =>
  polynomial(
    x,
    0.0352624965998911,
    0.700383064443688,
    6.37396220353165,
    33.912866078383,
    112.079291497871,
    221.213596169931,
    220.206867912376,
  ) /
  polynomial(
    x,
    0.0883883476483184,
    1.75566716318264,
    16.064177579207,
    86.7807322029461,
    296.564248779674,
    637.333633378831,
    793.826512519948,
    440.413735824752,
  );

const farTail = (x: number) => 1 / (x + 1 / (x + 2 / (x + 3 / (x + 4 / (x + 0.65))))) / 2.506628274631;

/**
 * P(|T| ≤ t) of Student's distribution with a whole number of degrees of freedom, t ≥ 0.
 * Source: Abramowitz & Stegun 26.7.3–26.7.4.
 */
function studentCentralMass(t: number, degreesOfFreedom: number): number {
  const angle = Math.atan(t / Math.sqrt(degreesOfFreedom));
  const cosine2 = Math.cos(angle) ** 2;
  const odd = degreesOfFreedom % 2 === 1;
  if (degreesOfFreedom === 1) return (2 / Math.PI) * angle;
  let term = odd ? Math.cos(angle) : 1;
  let sum = term;
  for (let i = odd ? 3 : 2; i < degreesOfFreedom; i += 2) sum += term *= ((i - 1) / i) * cosine2;
  return odd ? (2 / Math.PI) * (angle + Math.sin(angle) * sum) : Math.sin(angle) * sum;
}

/** The t with P(|T| ≤ t) = `mass`, for a mass in (0, 1) and whole degrees of freedom of at least 1. */
export function studentCentralQuantile(mass: number, degreesOfFreedom: number): number {
  let [low, high] = [0, 2];
  while (studentCentralMass(high, degreesOfFreedom) < mass) high *= 2;
  for (let i = 0; i < 60; i++) {
    const half = (low + high) / 2;
    if (studentCentralMass(half, degreesOfFreedom) < mass) low = half;
    else high = half;
  }
  return (low + high) / 2;
}
