export interface MockServer {
  readonly port: number;
  stats(): Promise<{ readonly items: number; readonly first: number | null; readonly last: number | null }>;
  reset(): Promise<unknown>;
  stop(): void;
}
export function startServer(latencyMs: number): Promise<MockServer>;
