import { AuditError } from '../errors.ts';
import { createRandom } from '../random.ts';
import type { TrainingRow, TrainingSettings } from '../trainer.ts';

/**
 * Sets rows aside, drawn by the seed among the rows' ids: a row that is trained on twice is held out twice, and arms
 * on the same data hold out the same prompts.
 * @throws AuditError `config` when nothing would be left to train on.
 */
export function holdOut(
  rows: readonly TrainingRow[],
  { evaluation, seed }: Pick<TrainingSettings, 'evaluation' | 'seed'>,
): { training: readonly TrainingRow[]; heldOut: readonly TrainingRow[] } {
  if (!evaluation) return { training: rows, heldOut: [] };
  const byId = new Map([...rows].reverse().map((row) => [row.id, row]));
  const ids = [...new Set(rows.map(({ id }) => id))];
  const count = evaluation.rows ?? Math.max(1, Math.round((evaluation.fraction ?? 0) * ids.length));
  if (count >= ids.length) {
    throw new AuditError('config', `training.evaluation holds out ${count} of ${ids.length} rows`, {
      hint: 'hold out fewer rows, or add training data',
    });
  }
  const chosen = new Set(createRandom('held out', seed).shuffle(ids).slice(0, count));
  return {
    training: rows.filter(({ id }) => !chosen.has(id)),
    heldOut: ids.filter((id) => chosen.has(id)).map((id) => byId.get(id)!),
  };
}
