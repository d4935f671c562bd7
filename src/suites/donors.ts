import type { Question } from '../dataset.ts';
import { AuditError } from '../errors.ts';
import { createRandom } from '../random.ts';
import { containsAnswer } from '../truth.ts';

/**
 * For every question the index of another whose context it is shown: each context is used once, no question gets
 * its own, and no context holds its question's true answer, an alias or its wrong answer (after normalisation).
 * A perfect matching by augmenting paths over seeded random orders, so it is found whenever there is one.
 * @throws AuditError `data` when there is none.
 * Source: Kuhn 1955, "The Hungarian method for the assignment problem" (augmenting paths).
 */
export function assignDonors(questions: readonly Question[], seed: number): number[] {
  const random = createRandom(seed, 'random_context');
  const order = random.shuffle([...questions.keys()]);
  const starts = questions.map(() => random.integer(questions.length));
  const takerOf = new Map<number, number>();
  const donorOf: number[] = [];
  function* candidates(taker: number): Generator<number> {
    for (let step = 0; step < order.length; step++) {
      const donor = order[(starts[taker]! + step) % order.length]!;
      if (fits(questions[taker]!, questions[donor]!.context)) yield donor;
    }
  }
  for (const [question] of questions.entries()) {
    const path = augmentingPath(question, candidates, takerOf);
    if (!path) throw impossible(questions[question]!, questions.length);
    for (const [taker, donor] of path) {
      takerOf.set(donor, taker);
      donorOf[taker] = donor;
    }
  }
  return donorOf;
}

function fits({ context: own, answers }: Question, context: string): boolean {
  if (context === own) return false;
  return ![...answers.gold, answers.wrong ?? ''].some((answer) => containsAnswer(context, answer));
}

function impossible({ id }: Question, count: number): AuditError {
  return new AuditError(
    'data',
    `no way to give each of ${count} questions another's context as its random context`,
    {
      problems: [`question ${id}: every context that can be spared holds one of its answers, or is its own`],
      hint: 'add questions with other answers, or leave random_context out of the conditions',
    },
  );
}

/** Breadth-first from one question without a donor to a donor without a question; null when there is no way. */
function augmentingPath(
  question: number,
  candidates: (taker: number) => Iterable<number>,
  takerOf: ReadonlyMap<number, number>,
): (readonly [taker: number, donor: number])[] | null {
  const reachedFrom = new Map<number, number>();
  const donorBefore = new Map<number, number>();
  const queue = [question];
  for (const taker of queue) {
    for (const donor of candidates(taker)) {
      if (reachedFrom.has(donor)) continue;
      reachedFrom.set(donor, taker);
      const next = takerOf.get(donor);
      if (next === undefined) return unwind(donor, reachedFrom, donorBefore);
      donorBefore.set(next, donor);
      queue.push(next);
    }
  }
  return null;
}

function unwind(
  last: number,
  reachedFrom: ReadonlyMap<number, number>,
  donorBefore: ReadonlyMap<number, number>,
) {
  const path: [number, number][] = [];
  for (let donor: number | undefined = last; donor !== undefined; ) {
    const taker = reachedFrom.get(donor)!;
    path.push([taker, donor]);
    donor = donorBefore.get(taker);
  }
  return path;
}
