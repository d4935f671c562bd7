export function watched(
  command: string,
  args: readonly string[],
  options?: { readonly onLine?: (line: string) => void; readonly cwd?: string },
): {
  readonly ended: Promise<{ code: number | null; tail: string; wallSeconds: number; peakMegabytes: number }>;
  kill(): void;
  residentMegabytes(): number | null;
};
