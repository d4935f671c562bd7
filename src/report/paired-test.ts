import { pSentence, pValue } from '../format.ts';
import type { Summary } from '../record.ts';
import type { Column } from './document.ts';

/** Columns of a paired difference of rates, whatever its flips are called. */
export function pairedColumns(toWorse: string, toBetter: string): Column[] {
  return [
    { title: 'difference, points [95 %]', numeric: true },
    { title: 'p', numeric: true },
    { title: 'p, Holm', numeric: true },
    { title: toWorse, numeric: true },
    { title: toBetter, numeric: true },
    { title: 'pairs', numeric: true },
    { title: 'dropped', numeric: true },
  ];
}

/** Only with several repeats per item: the share of items with at least one such completion. */
export function repeatColumns(rates: readonly { repeats?: number | undefined }[]): Column[] {
  const repeats = Math.max(...rates.map((rate) => rate.repeats ?? 1));
  return repeats > 1 ? [{ title: `worst of ${repeats}`, numeric: true }] : [];
}

/** The p values of a paired test: exact McNemar, or sign-flip permutation with several repeats per item. */
export interface PairedTest {
  readonly mcnemarP: number | null;
  readonly signFlipP?: number | null | undefined;
}

/** The p value for a cell. */
export function testP({ mcnemarP, signFlipP }: PairedTest): string {
  return pValue(mcnemarP ?? signFlipP);
}

/** The test and its p value in a sentence, e.g. `exact McNemar p < 0.001`. */
export function testSentence({ mcnemarP, signFlipP }: PairedTest): string {
  return signFlipP === undefined
    ? `exact McNemar ${pSentence(mcnemarP)}`
    : `sign-flip ${pSentence(signFlipP)}`;
}

/** Interval and test of a paired difference, for a caption. */
export function testCaption(paired: readonly PairedTest[]): string {
  const test = paired.some(({ signFlipP }) => signFlipP !== undefined)
    ? 'item-wise score interval and sign-flip permutation test'
    : 'Tango score interval and exact McNemar test';
  return `${test}; Holm over the gated metrics of all arms`;
}

/** The name of a rate's 95 % intervals, for a caption: with several repeats per item they are taken over the items’ shares. */
export function intervalName(rates: readonly { readonly repeats?: number | undefined }[]): string {
  return rates.some(({ repeats = 1 }) => repeats > 1) ? 'item-wise score' : 'Wilson';
}

/** As `intervalName` for knowledge, whose paired tests alone tell of repeats. */
export function driftIntervalName(summary: Summary): string {
  const paired = Object.values(summary.comparisons).flatMap(({ drift }) => Object.values(drift ?? {}));
  return paired.some(({ signFlipP }) => signFlipP !== undefined) ? 'item-wise score' : 'Wilson';
}
