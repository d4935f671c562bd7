import { AuditError } from '../../errors.ts';
import { type BudgetSettings, overspent, type Spending } from '../../spending.ts';

export interface Budget {
  /**
   * Sets a request aside before it is made, with the most it can cost.
   * @throws AuditError `budget` where it would go beyond the budget: what is finished stays, and the run resumes.
   */
  reserve(most: Omit<Spending, 'requests'>): void;
  /** What a request that was set aside came to. */
  settle(most: Omit<Spending, 'requests'>, actual: Omit<Spending, 'requests'>): void;
  readonly spent: Spending;
}

export function createBudget(settings: BudgetSettings): Budget {
  let [requests, read, written] = [0, 0, 0];
  return {
    reserve: (most) => {
      const wanted = { requests: requests + 1, read: read + most.read, written: written + most.written };
      const limit = overspent(settings, wanted);
      if (limit !== null) throw spentError(limit);
      ({ requests, read, written } = wanted);
    },
    settle: (most, actual) => {
      read += actual.read - most.read;
      written += actual.written - most.written;
    },
    get spent() {
      return { requests, read, written };
    },
  };
}

function spentError(limit: string): AuditError {
  return new AuditError('budget', `the next request could go beyond the budget of ${limit}`, {
    hint: 'what was finished is kept: the same command resumes with the budget anew, or raise model.budget',
  });
}
