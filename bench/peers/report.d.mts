export function resultsDocument(results: unknown, viewer: unknown, scale: unknown): string;
export function trainingFlops(mode: { recomputed: boolean }): number;
export function sameOutput(run: {
  agreement: { largestLossDifference: number } | { equalRows: number; equalFirst: number; rows: number } | null;
}): boolean;
