import { throwIfAborted } from '../../errors.ts';

/** How many requests may be under way: as many as were asked for, fewer while the server is overloaded. */
export interface Places {
  /** Waits for a place. @throws AuditError `interrupted` when the signal fires first. */
  take(signal: AbortSignal | undefined): Promise<void>;
  /** Gives it back. `busy`: the server refused for having too much to do; `slow`: it nearly ran out of time. */
  leave(how: 'well' | 'slow' | 'busy'): void;
  /** Allowed at this moment. */
  readonly limit: number;
}

const shrink = { slow: 0.9, busy: 0.5 } as const;

/**
 * Additive increase, multiplicative decrease: a refusal halves the limit, a slow answer takes a tenth of it, and as many
 * good answers as the limit give one place back. A server that is overloaded says so many times at once: it shrinks at
 * most once for all that was under way when it did.
 * Source: Chiu & Jain 1989, "Analysis of the increase and decrease algorithms for congestion avoidance".
 */
export function createPlaces(most: number): Places {
  let limit = most;
  let taken = 0;
  /** Answers still to come of those that were under way when the limit last shrank. */
  let settling = 0;
  const waiting: (() => void)[] = [];
  const admit = () => {
    while (waiting.length > 0 && taken < Math.floor(limit)) {
      taken++;
      waiting.shift()!();
    }
  };
  return {
    get limit() {
      return Math.floor(limit);
    },
    take: async (signal) => {
      throwIfAborted(signal);
      if (waiting.length === 0 && taken < Math.floor(limit)) {
        taken++;
        return;
      }
      await new Promise<void>((resolve, reject) => {
        const stop = () => {
          const at = waiting.indexOf(enter);
          if (at >= 0) waiting.splice(at, 1);
          try {
            throwIfAborted(signal);
          } catch (error) {
            reject(error as Error);
          }
        };
        const enter = () => {
          signal?.removeEventListener('abort', stop);
          resolve();
        };
        waiting.push(enter);
        signal?.addEventListener('abort', stop);
        admit();
      });
    },
    leave: (how) => {
      taken--;
      if (settling > 0) settling--;
      else if (how === 'well') limit = Math.min(most, limit + 1 / limit);
      else {
        limit = Math.max(1, limit * shrink[how]);
        settling = taken;
      }
      admit();
    },
  };
}
