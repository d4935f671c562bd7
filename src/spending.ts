/** What asking a server costs: limits, and how far they are used up. */

/** What one start of the command may spend on a server. */
export interface BudgetSettings {
  readonly requests?: number | undefined;
  /** Read and written. */
  readonly tokens?: number | undefined;
  readonly money?: number | undefined;
  /** Of a million tokens. */
  readonly prices?: { readonly read: number; readonly written: number } | undefined;
}

/** What was, or will be, spent. */
export interface Spending {
  readonly requests: number;
  readonly read: number;
  readonly written: number;
}

/** Money for tokens: Σ tokens × price / 10⁶; null without prices. */
export function costOf({ read, written }: Omit<Spending, 'requests'>, { prices }: BudgetSettings) {
  return prices ? (read * prices.read + written * prices.written) / 1e6 : null;
}

/** The first limit that spending goes beyond, in words; null where it keeps within all. */
export function overspent(settings: BudgetSettings, spending: Spending): string | null {
  const { requests = Infinity, tokens = Infinity, money = Infinity } = settings;
  if (spending.requests > requests) return `${requests} requests`;
  if (spending.read + spending.written > tokens) return `${tokens} tokens`;
  return (costOf(spending, settings) ?? 0) > money ? `${money} in money` : null;
}
