import { createRandom } from '../random.ts';
import type { TrainingSettings } from '../trainer.ts';
import { pack, type Sequence } from './batch.ts';

type Layout = Pick<TrainingSettings, 'batchSize' | 'packing'>;

/** Batches whose rows are sorted by length together, as transformers' `group_by_length`. */
const batchesPerWindow = 50;

/** Tokens of a pack, about: attention across its sequences, computed in vain, stays small. */
const packLength = 256;
/** Tokens of the packs side by side in a micro-batch, padding included, about: products are at full speed. */
const batchTokens = 1024;

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

interface OpenPack {
  readonly sequences: Sequence[];
  length: number;
}

function put(open: OpenPack, sequence: Sequence): void {
  open.sequences.push(sequence);
  open.length += sequence.ids.length;
}

/** First fit, longest first. */
function firstFit(sorted: readonly Sequence[], capacity: number): OpenPack[] {
  const packs: OpenPack[] = [];
  for (const sequence of sorted) {
    const fitting = packs.find(({ length }) => length + sequence.ids.length <= capacity);
    if (fitting) put(fitting, sequence);
    else packs.push({ sequences: [sequence], length: sequence.ids.length });
  }
  return packs;
}

/** As many packs of lengths as equal as may be, longest first into the shortest; null where one would be too long. */
function level(sorted: readonly Sequence[], count: number, capacity: number): OpenPack[] | null {
  const packs = Array.from({ length: count }, (): OpenPack => ({ sequences: [], length: 0 }));
  for (const sequence of sorted) {
    const shortest = packs.reduce((least, open) => (open.length < least.length ? open : least));
    if (shortest.length > 0 && shortest.length + sequence.ids.length > capacity) return null;
    put(shortest, sequence);
  }
  return packs;
}

/** Packs side by side, those of about a length together, `batchTokens` at most or one alone. */
function sideBySide(packs: readonly OpenPack[]): Sequence[][] {
  const batches: OpenPack[][] = [];
  for (const next of [...packs].sort((a, b) => b.length - a.length)) {
    const open = batches.at(-1);
    if (open && (open.length + 1) * open[0]!.length <= batchTokens) open.push(next);
    else batches.push([next]);
  }
  return batches.map((batch) => batch.map(({ sequences }) => pack(sequences)));
}

/**
 * Micro-batches of the given rows: `batchSize` at a time in their order, or packs, some side by side.
 * @param contextLength a pack is no longer: the kernel of the rotary embedding takes no more tokens than its tables hold.
 */
export function microBatches(
  sequences: readonly Sequence[],
  { batchSize, packing }: Layout,
  contextLength: number,
): Sequence[][] {
  if (!packing) return cut(sequences, batchSize);
  const capacity = Math.min(packLength, contextLength);
  const sorted = [...sequences].sort((a, b) => b.ids.length - a.ids.length);
  const packs = firstFit(sorted, capacity);
  return sideBySide(level(sorted, packs.length, capacity) ?? packs);
}
