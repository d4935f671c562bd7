export interface Cell {
  readonly seconds: number;
  readonly busySeconds: number;
  readonly written: number;
}
export function idealGrid(plan: unknown, profiles: unknown): Cell[];
