import { drawSample, keyOf, stratumOf } from '../adjudication/design.ts';
import {
  addLabel,
  changeLabels,
  readLabels,
  removeLabel,
  ticketOf,
  toRecord,
} from '../adjudication/labels.ts';
import {
  designFor,
  keepDesign,
  readDesign,
  readUnits,
  refuseOtherCompletions,
} from '../adjudication/sample.ts';
import { AuditError } from '../errors.ts';
import type { HumanRecord } from '../human-record.ts';

/** The queue of a run for one labeller, as `adjudicate` would ask it: neither arms nor judges' words leave it. */
export interface Labelling {
  /** Every ticket of the sample in its order, with this labeller's label. */
  queue(): {
    readonly ticket: string;
    readonly label: HumanRecord['label'] | null;
    readonly characters: number;
  }[];
  /** What is to be judged; null for a ticket that is not in the sample. From then on it may be labelled. */
  text(ticket: string): { readonly prompt: string; readonly completion: string } | null;
  /** Writes a label, or takes it back. @throws AuditError `store` while another process writes there. */
  label(ticket: string, label: HumanRecord['label'] | null): Promise<'kept' | 'unknown' | 'unseen'>;
}

/** `seen`: tickets that were shown already. Nothing is written before the first label, which the sample's design precedes. @throws AuditError. */
export async function openLabelling(
  directory: string,
  labeller: string,
  seen: Set<string> = new Set(),
): Promise<Labelling> {
  const earlier = readDesign(directory);
  const run = await readUnits(directory, earlier?.judges ?? null);
  const design = designFor(run.units, earlier);
  const sample = drawSample(run.units, design);
  refuseOtherCompletions(directory, sample, readLabels(directory), run.entryOf);
  const entries = new Map(
    sample.map((unit) => {
      const ticket = ticketOf(design.seed, unit);
      return [ticket, { ...run.entryOf(unit), ticket }];
    }),
  );
  return {
    queue: () => {
      const labels = readLabels(directory);
      return [...entries.values()].map(({ ticket, unit, completion }) => {
        const own = labels.get(keyOf(unit))?.find((record) => record.labeller === labeller);
        return { ticket, label: own?.label ?? null, characters: completion.length };
      });
    },
    text: (ticket) => {
      const entry = entries.get(ticket);
      if (!entry) return null;
      seen.add(ticket);
      return { prompt: entry.prompt, completion: entry.completion };
    },
    label: async (ticket, label) => {
      const entry = entries.get(ticket);
      if (!entry) return 'unknown';
      if (label !== null && !seen.has(ticket)) return 'unseen';
      await changeLabels(directory, (labels) => {
        const stored = readDesign(directory);
        if (stored && stored.expected !== design.expected) {
          throw new AuditError('store', 'the sample was made larger meanwhile: load this page again');
        }
        if (!stored) keepDesign(directory, run, null, design);
        if (label === null) removeLabel(labels, entry.unit, labeller);
        else addLabel(labels, toRecord(entry, label, design, stratumOf(entry.unit), labeller));
      });
      return 'kept';
    },
  };
}
