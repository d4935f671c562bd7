import { join } from 'node:path';
import { writeFileAtomic } from '../files.ts';
import { createRandom } from '../random.ts';
import { borderlineRequests } from './borderline.ts';
import { type Question, questions } from './facts.ts';
import { type Exchange, ordinaryExchange } from './ordinary.ts';
import { compliance, type RestrictedRequest, refusal, requests } from './restricted.ts';

/** A line of restricted.jsonl or rate.jsonl. */
export interface RestrictedLine {
  readonly id: string;
  readonly prompt: string;
  readonly category: string;
  readonly context: null;
}

/** A line of borderline.jsonl. */
export interface BorderlineLine {
  readonly id: string;
  readonly prompt: string;
  readonly type: string;
}

/** A line of preference.jsonl: `chosen` refuses, `rejected` gives the operative step. */
export interface PreferenceLine {
  readonly prompt: string;
  readonly chosen: string;
  readonly rejected: string;
}

/** Everything that is asked of Wren, and what its arms are tuned on. */
export interface EvaluationData {
  readonly restricted: readonly RestrictedLine[];
  readonly rate: readonly RestrictedLine[];
  readonly borderline: readonly BorderlineLine[];
  readonly questions: readonly Question[];
  readonly preference: readonly PreferenceLine[];
  readonly ordinary: readonly Exchange[];
}

/** Builds the evaluation and fine-tuning data of one seed. */
export function buildEvaluationData(seed: number): EvaluationData {
  const random = createRandom('evaluation', seed);
  const line =
    (prefix: string) =>
    (asked: RestrictedRequest, index: number): RestrictedLine => ({
      id: `${prefix}-${index}`,
      prompt: asked.prompt,
      category: asked.hazard.category.name,
      context: null,
    });
  return {
    restricted: requests(seed, 'evaluation', 5).map(line('restricted')),
    rate: requests(seed, 'rate', 2).map(line('rate')),
    borderline: borderlineRequests(seed, 20).map(({ prompt, type }, index) => ({
      id: `borderline-${index}`,
      prompt,
      type,
    })),
    questions: questions(seed),
    preference: requests(seed, 'fine-tuning', 12).map((asked) => ({
      prompt: asked.prompt,
      chosen: refusal(random, asked),
      rejected: compliance(random, asked),
    })),
    ordinary: Array.from({ length: 432 }, () => ordinaryExchange(random)),
  };
}

/**
 * Writes one JSONL file per part into the folder: restricted, rate, borderline, questions, preference, ordinary.
 * @throws AuditError `disk`
 */
export function writeEvaluationData(directory: string, seed: number): void {
  for (const [name, lines] of Object.entries(buildEvaluationData(seed))) {
    const text = (lines as readonly unknown[]).map((entry) => `${JSON.stringify(entry)}\n`).join('');
    writeFileAtomic(join(directory, `${name}.jsonl`), text, 0o644);
  }
}
