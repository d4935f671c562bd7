import { readFileSync } from 'node:fs';

interface AlphaCase {
  units: (string | null)[][];
  alpha: number;
}

/** What krippendorff and scikit-learn say; written by scripts/fixtures/panel.py. */
export interface PanelFixture {
  published: AlphaCase;
  alpha: AlphaCase[];
  kappa: { first: string[]; second: string[]; kappa: number }[];
  isotonic: { x: number[]; y: number[]; tried: number[]; fitted: number[] }[];
  recalibration: {
    confidence: number[];
    correct: number[];
    fold: number[];
    calibrated: number[];
    brier: number;
    auroc: number;
  };
}

export const fixture = JSON.parse(
  readFileSync(new URL('./fixtures/panel.json', import.meta.url), 'utf8'),
) as PanelFixture;
