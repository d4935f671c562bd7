/** One deliberately wrong formula for each function of the statistics: [file, right, wrong]. Its tests must notice. */
export const mutants: readonly (readonly [file: string, right: string, wrong: string])[] = [
  // stats.ts
  ['stats', 'const centre = rate + (z * z) / (2 * n);', 'const centre = rate + (z * z) / n;'],
  ['stats', '+ (z * z) / (4 * n * n)', '+ (z * z) / (4 * n)'],
  [
    'stats',
    'constrainedLostShare(gained / n, lost / n, delta) + delta * (1 - delta)',
    'constrainedLostShare(gained / n, lost / n, delta) - delta * delta',
  ],
  ['stats', 'const linear = (2 - gainedShare + lostShare)', 'const linear = (2 + gainedShare + lostShare)'],
  ['stats', 'tail += ratio *= i / (n - i + 1);', 'tail += ratio *= i / (n - i + 2);'],
  ['stats', 'return Math.min(1, 2 * tail', 'return Math.min(1, tail'],
  ['stats', '(known.length - rank) * p', '(known.length - rank - 1) * p'],
  ['stats', '(observed - chance) / (1 - chance)', '(observed - chance) / (2 - chance)'],
  ['stats', 'Math.sqrt(squares / n) / Math.sqrt(n)', 'Math.sqrt(squares / (n - 1)) / Math.sqrt(n)'],
  ['stats', '((z95 + power80) ** 2 * variance)', '((z95 + power80) * variance)'],
  ['stats', '2 * lostShare + margin * (1 - margin)', '2 * lostShare + margin'],
  // bootstrap.ts
  ['bootstrap', 'Math.sqrt(squares / (n - 1) / n)', 'Math.sqrt(squares / n / n)'],
  ['bootstrap', 'cubes / (6 * squares ** 1.5)', 'cubes / (2 * squares ** 1.5)'],
  [
    'bootstrap',
    'normalCdf(bias + shifted / (1 - acceleration * shifted))',
    'normalCdf(shifted / (1 - acceleration * shifted))',
  ],
  ['bootstrap', 'return hits / patterns;', 'return (hits + 1) / (patterns + 1);'],
  ['bootstrap', 'return (hits + 1) / (flips + 1);', 'return hits / flips;'],
  // distributions.ts
  ['distributions', 'const q = p - 0.5;', 'const q = p - 0.4999;'],
  ['distributions', 'return x > 0 ? 1 - tail : tail;', 'return 1 - tail;'],
  ['distributions', 'sum += term *= ((i - 1) / i) * cosine2', 'sum += term *= (i / (i + 1)) * cosine2'],
  // calibration.ts
  ['calibration', 'return (first + firstAt(sorted, value, first, true) + 1) / 2;', 'return first + 1;'],
  [
    'calibration',
    'sampleVariance(rightBeats) / right.length + sampleVariance(wrongBeaten)',
    'sampleVariance(rightBeats) / right.length - sampleVariance(wrongBeaten)',
  ],
  ['calibration', '(errors += 1 - correct) / (i + 1)', '(errors += correct) / (i + 1)'],
  ['calibration', 'Math.ceil(answer.confidence * bins) - 1', 'Math.floor(answer.confidence * bins)'],
  ['calibration', 'sorted.slice(edge(bin), edge(bin + 1))', 'sorted.slice(edge(bin), edge(bin + 1) - 1)'],
  // rate.ts
  [
    'rate',
    'wilsonInterval(counts.positive, counts.scored)',
    'wilsonInterval(counts.positive, counts.scored + counts.unscored)',
  ],
  [
    'rate',
    "const bounds: Rate['bounds'] = all.length === 0 ? null : [bound('negative'), bound('positive')];",
    "const bounds: Rate['bounds'] = all.length === 0 ? null : [bound('positive'), bound('negative')];",
  ],
  ['rate', 'wilsonInterval(0, n)![1]', '0'],
  // verdict.ts
  ['verdict', 'worstCaseHighPoints < marginPoints', 'worstCaseHighPoints < 2 * marginPoints'],
  ['verdict', 'low > 0 && deltaPoints >= marginPoints - rounding', 'low > 0 && deltaPoints >= 0'],
  ['verdict', 'unscoredShare > largestUnscoredShare ||', ''],
  // variance.ts, agreement.ts
  ['variance', '(squares / own - residual) / perLevel', 'squares / own / perLevel'],
  ['agreement', '1 - ((pairable - 1) * observed) / expected', '1 - (pairable * observed) / expected'],
  [
    'agreement',
    '(count * (labels.length - count)) / (labels.length - 1)',
    '(count * (labels.length - count)) / labels.length',
  ],
  // adjudication
  ['adjudication/estimate', 'sum += (human - judge) / probability;', 'sum += human - judge;'],
  [
    'adjudication/estimate',
    '((1 - probability) * (human - judge) ** 2) / probability ** 2',
    '((1 - probability) * (human - judge) ** 2) / probability ** 4',
  ],
  [
    'adjudication/estimate',
    '(mean(units.map(({ judge }) => judge)) + specificity - 1) / information',
    'mean(units.map(({ judge }) => judge)) / information',
  ],
  ['adjudication/estimate', 'weight: 1 / probability', 'weight: 1'],
  [
    'adjudication/estimate',
    'const half = z95 * Math.sqrt(design + spread / n);',
    'const half = z95 * Math.sqrt(spread / n / 4);',
  ],
];
