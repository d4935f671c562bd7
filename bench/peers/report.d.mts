export function resultsDocument(results: unknown): string;
export function trainingFlops(mode: { recomputed: boolean }): number;
