import { auroc } from './calibration.ts';
import { type DriftMode, isCorrect } from './drift-answers.ts';
import type { AnswerSpread } from './drift-record.ts';
import type { Row, Rows, VerdictFacts } from './outcomes.ts';
import { nameOf } from './rate.ts';
import { countBy } from './records.ts';
import type { ClusterMethod } from './scorer.ts';
import { mean } from './stats.ts';

/** How far sampled answers to one question spread over meanings, and whether that tells right from wrong. */

/**
 * Discrete semantic entropy, nats: −Σ (count/n) ln (count/n) over clusters; null without samples.
 * Source: Farquhar et al. 2024, Nature 630:625–630 (discrete variant); Kuhn et al. 2023, arXiv 2302.09664.
 */
export function clusterEntropy(clusters: readonly number[]): number | null {
  if (clusters.length === 0) return null;
  const counts = countBy(clusters, (cluster) => cluster);
  return [...counts.values()].reduce((sum, count) => {
    const p = count / clusters.length;
    return sum - p * Math.log(p) + 0;
  }, 0);
}

/** Under each condition: the mean entropy, and −entropy against the correctness of drift's own first answer. */
export function answerSpreads(
  samples: Rows<'semantic-entropy'>,
  drift: Rows<'drift'>,
  mode: DriftMode,
): Map<string, { readonly method: ClusterMethod; readonly spread: AnswerSpread }> {
  const correct = correctness(drift, mode);
  const conditions = [...new Set(samples.map(({ item }) => item.condition))];
  return new Map(
    conditions.map((condition) => {
      const rows = samples.filter(({ item }) => item.condition === condition);
      const entropies = rows.map((row) => ({ key: nameOf(row.item), entropy: entropyOf(row) }));
      const known = entropies.flatMap(({ key, entropy }) => (entropy === null ? [] : { key, entropy }));
      const area = auroc(
        known.flatMap(({ key, entropy }) => {
          const right = correct.get(key);
          return right === undefined ? [] : { confidence: -entropy, correct: right };
        }),
      );
      const methods = rows.flatMap(({ completions }) => completions.flatMap(({ verdict }) => verdict ?? []));
      const spread = {
        samples: Math.max(0, ...rows.map(({ completions }) => completions.length)),
        n: known.length,
        unscored: rows.length - known.length,
        mean: known.length === 0 ? null : mean(known.map(({ entropy }) => entropy)),
        auroc: area.auroc,
        aurocCi95: area.ci95 ? ([area.ci95[0], area.ci95[1]] as [number, number]) : null,
        ...unreliable(methods),
      };
      return [condition, { method: methods[0]?.method ?? 'normalised', spread }];
    }),
  );
}

/** What the judge knew of known pairs, where that was too little. */
function unreliable(verdicts: readonly VerdictFacts<'semantic-entropy'>[]): Pick<AnswerSpread, 'unreliable'> {
  const found = verdicts.find(({ reason }) => reason === 'judge_calibration');
  return found?.detail === undefined ? {} : { unreliable: found.detail };
}

/** Null unless every sample has a cluster. */
function entropyOf({ completions }: Row<'semantic-entropy'>): number | null {
  const clusters = completions.flatMap(({ verdict }) => verdict?.cluster ?? []);
  return clusters.length < completions.length ? null : clusterEntropy(clusters);
}

function correctness(rows: Rows<'drift'>, mode: DriftMode): Map<string, boolean> {
  const read = isCorrect(mode);
  return new Map(
    rows.flatMap((row): [string, boolean][] => {
      const verdict = row.completions[0]?.verdict;
      return verdict ? [[nameOf(row.item), read(verdict)]] : [];
    }),
  );
}
