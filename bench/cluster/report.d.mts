export function clusterNote(text: string, results: unknown): string;
export function writeClusterNote(results: unknown): void;
export function atTrueSpeed(cell: { seconds: number; idealSeconds: number; scale: number }): number;
