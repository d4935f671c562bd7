import { readFileSync } from 'node:fs';

type Row = readonly number[];

/** What SciPy, statsmodels and brute force say; written by scripts/fixtures/statistics.py. */
export interface StatisticsFixture {
  normalQuantile: Row[];
  normalCdf: Row[];
  student: Row[];
  wilson: Row[];
  tango: Row[];
  published: { gained: number; lost: number; n: number; tango: Row; mcnemarP: number };
  mcnemar: Row[];
  holm: [Row, Row][];
  kappa: [Row[], number][];
  bca: { values: number[]; ci95: [number, number]; acceleration: number }[];
  boundedMean: { values: number[]; range: [number, number]; ci95: [number, number] }[];
  studentInterval: { values: number[]; ci95: [number, number] };
  signFlip: [number[], number][];
  meanAndError: { values: number[]; mean: number; se: number };
  calibration: {
    confidence: number[];
    correct: number[];
    auroc: number;
    ci95: Row;
    ece: number | null;
    eceEqualMass: number | null;
    brier: number;
  }[];
  riskCoverage: { confidence: number[]; correct: number[]; area: number }[];
  tokens: {
    tokens: { sampled: number; top: number[] }[];
    perplexity: number;
    probability: number;
    entropy: number;
    perplexityPaper: number;
    probabilityPaper: number;
    confidence: number;
    truncatedMass: number;
  }[];
  normalise: [string, string][];
  tokenF1: [string, string, number][];
}

export const fixture = JSON.parse(
  readFileSync(new URL('./fixtures/statistics.json', import.meta.url), 'utf8'),
) as StatisticsFixture;
