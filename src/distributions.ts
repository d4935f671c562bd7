/** Normal and Student distributions, to about 1e-14. */

const polynomial = (x: number, coefficients: readonly number[]) =>
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
    [
      2509.0809287301227, 33430.57558358813, 67265.7709270087, 45921.95393154987, 13731.69376550946,
      1971.5909503065513, 133.14166789178438, 3.3871328727963665,
    ],
  ) /
  polynomial(
    r,
    [
      5226.495278852854, 28729.085735721943, 39307.89580009271, 21213.794301586597, 5394.196021424751,
      687.1870074920579, 42.31333070160091, 1,
    ],
  );

const middle = (r: number) =>
  polynomial(
    r,
    [
      0.0007745450142783414, 0.022723844989269184, 0.2417807251774506, 1.2704582524523684, 3.6478483247632045,
      5.769497221460691, 4.630337846156546, 1.4234371107496835,
    ],
  ) /
  polynomial(
    r,
    [
      1.0507500716444169e-9, 0.0005475938084995345, 0.015198666563616457, 0.14810397642748008,
      0.6897673349851, 1.6763848301838038, 2.053191626637759, 1,
    ],
  );

const far = (r: number) =>
  polynomial(
    r,
    [
      2.0103343992922881e-7, 2.7115555687434876e-5, 0.0012426609473880784, 0.026532189526576124,
      0.29656057182850487, 1.7848265399172913, 5.463784911164114, 6.657904643501103,
    ],
  ) /
  polynomial(
    r,
    [
      2.0442631033899397e-15, 1.421511758316446e-7, 1.8463183175100548e-5, 0.0007868691311456133,
      0.014875361290850615, 0.1369298809227358, 0.599832206555888, 1,
    ],
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
    [
      0.0352624965998911, 0.700383064443688, 6.37396220353165, 33.912866078383, 112.079291497871,
      221.213596169931, 220.206867912376,
    ],
  ) /
  polynomial(
    x,
    [
      0.0883883476483184, 1.75566716318264, 16.064177579207, 86.7807322029461, 296.564248779674,
      637.333633378831, 793.826512519948, 440.413735824752,
    ],
  );

const farTail = (x: number) =>
  1 / (x + 1 / (x + 2 / (x + 3 / (x + 4 / (x + 0.65))))) / Math.sqrt(2 * Math.PI);

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

/** The t with P(|T| ≤ t) = `mass`, for a mass in (0, 1) and whole degrees of freedom of at least 1: bisection, to double precision. */
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
