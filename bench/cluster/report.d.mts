export function clusterNote(text: string, results: unknown): string;
export function writeClusterNote(results: unknown): void;
