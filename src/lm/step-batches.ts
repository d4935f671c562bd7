import { createRandom } from '../random.ts';
import type { TrainingSettings } from '../trainer.ts';
import { pack, type Sequence } from './batch.ts';

type Layout = Pick<TrainingSettings, 'batchSize' | 'packing'>;

/** Batches whose rows are sorted by length together, as transformers' `group_by_length`. */
const batchesPerWindow = 50;

/** Tokens of a pack, about: products are at full speed, and attention across its sequences, computed in vain, stays small. */
const packLength = 256;

function cut<T>(values: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(values.length / size) }, (_, i) =>
    values.slice(i * size, (i + 1) * size),
  );
}

/**
 * Which row every place of a training takes, steps × gradientAccumulation × batchSize of them: in the given order,
 * starting over at the end. With `groupByLength`, windows of that order are sorted by length and their batches shuffled.
 */
export function trainingOrder(lengths: readonly number[], settings: TrainingSettings): number[] {
  const { steps, batchSize, gradientAccumulation, seed } = settings;
  const places = steps * gradientAccumulation * batchSize;
  const given = Array.from({ length: places }, (_, place) => place % lengths.length);
  if (!settings.groupByLength) return given;
  const random = createRandom('length groups', seed);
  return cut(given, batchesPerWindow * batchSize).flatMap((window) => {
    const sorted = window.sort((a, b) => lengths[a]! - lengths[b]!);
    return random.shuffle(cut(sorted, batchSize)).flat();
  });
}

/**
 * Micro-batches of the given rows: `batchSize` at a time in their order, or packs, each a micro-batch of its own.
 * @param contextLength a pack is no longer: the kernel of the rotary embedding takes no more tokens than its tables hold.
 */
export function microBatches(
  sequences: readonly Sequence[],
  { batchSize, packing }: Layout,
  contextLength: number,
): Sequence[][] {
  if (!packing) return cut(sequences, batchSize);
  const capacity = Math.min(packLength, contextLength);
  const packs: { readonly sequences: Sequence[]; length: number }[] = [];
  // First fit, longest first.
  for (const sequence of [...sequences].sort((a, b) => b.ids.length - a.ids.length)) {
    const { length } = sequence.ids;
    const fitting = packs.find((open) => open.length + length <= capacity);
    if (fitting) {
      fitting.sequences.push(sequence);
      fitting.length += length;
    } else packs.push({ sequences: [sequence], length });
  }
  return packs.map((full) => [pack(full.sequences)]);
}
