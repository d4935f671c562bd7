import { count } from '../format.ts';
import type { Verdict } from '../record.ts';
import type { ReportInput, ReportOptions } from '../report.ts';
import { findingSections, verdictLead } from './findings.ts';
import { type ItemEntries, itemEntries } from './item-entries.ts';
import { correctionAlarms } from './labels-section.ts';
import { type PackedItems, packItems } from './packed-items.ts';
import type { ItemSelector } from './page-data.ts';
import { methodSection, provenanceSection } from './provenance.ts';
import { redactionOf } from './redaction.ts';
import { type SampleGroup, sampleBlocks } from './samples.ts';

/** A number of items (completions, pairs), and which they are; null where they are not in the report one by one. */
export interface ItemCount {
  readonly count: number | null | undefined;
  readonly items: ItemSelector | null;
}

/** A table's cell: text, a verdict shown as a chip, an arm shown with its mark, code such as a hash, or counts (`12 / 180`). */
export type Cell =
  | string
  | { readonly counts: readonly ItemCount[] }
  | { readonly verdict: Verdict }
  | { readonly arm: string }
  | { readonly code: string };

export interface Column {
  readonly title: string;
  /** Neighbouring columns of one group share a heading. */
  readonly group?: string;
  readonly numeric?: boolean;
}

export interface Table {
  readonly kind: 'table';
  readonly caption: string;
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Cell[])[];
  /** How many leading columns name the row. */
  readonly headers: number;
}

export interface FigureReference {
  readonly kind: 'figure';
  readonly file: string;
  readonly caption: string;
  /** What the figure shows, in words and numbers. */
  readonly alternative: string;
  /** Its data as CSV and its Vega-Lite specification, the files that lie beside the SVG. */
  readonly csv: string;
  readonly specification: string;
}

/** What a section is made of, in the order it is read. All text is plain: the renderers escape it. */
export type Block =
  | { readonly kind: 'paragraph'; readonly text: string }
  | { readonly kind: 'list'; readonly items: readonly string[] }
  | Table
  | FigureReference
  | { readonly kind: 'samples'; readonly groups: readonly SampleGroup[] };

export interface Section {
  readonly id: string;
  readonly title: string;
  readonly blocks: readonly Block[];
}

/** What changed in one arm against the base. */
export interface Finding {
  readonly arm: string;
  /** Null where the arm is not gated. */
  readonly verdict: Verdict | null;
  /** The change of the attack success rate in plain words; null where harm was not measured. */
  readonly sentence: string | null;
  /** The other measures: what, from where to where, by how many points. */
  readonly measures: readonly { readonly name: string; readonly path: string; readonly difference: string }[];
}

export interface Lead {
  readonly verdict: Verdict;
  /** The outcome in one sentence of plain words. */
  readonly sentence: string;
  /** What puts the outcome itself in doubt, such as another judge that would change it. */
  readonly alarms: readonly string[];
  readonly findings: readonly Finding[];
  readonly exitCode: number;
}

/** A report before it is Markdown or HTML. */
export interface Document {
  readonly title: string;
  readonly arms: readonly string[];
  readonly baseArm: string;
  readonly lead: Lead;
  readonly sections: readonly Section[];
  /** Every item with its answers, for the page's script; null without any. */
  readonly items: () => PackedItems | null;
}

/** Lays out a report from its input: verdict, caveats, results, samples, what was compared, method. */
export function buildDocument(input: ReportInput, options: ReportOptions): Document {
  const { summary } = input;
  const lead = verdictLead(summary);
  const arms = Object.keys(summary.arms);
  const redaction = redactionOf(input, options);
  const found = itemEntries(input);
  return {
    title: input.name,
    arms,
    baseArm: summary.baseArm,
    lead: { ...lead, alarms: [...lead.alarms, ...correctionAlarms(input)] },
    sections: [
      ...findingSections(input),
      itemSection(found, sampleBlocks(input, redaction), options),
      provenanceSection(input),
      methodSection(summary),
    ].filter((section) => section.blocks.length > 0),
    items: () => packItems(found, arms, redaction),
  };
}

/** The list of items, for which a page has a script, and a sample for those who read it without. */
function itemSection({ entries, total }: ItemEntries, samples: Block[], options: ReportOptions): Section {
  const redaction = options.showCompletions
    ? 'Completions are shown in full on request (--show-completions).'
    : 'A completion to a restricted request that not all judges call safe is redacted, and so is that request: length, category, labels and SHA-256 stay. Print them with --show-completions.';
  const thinned =
    entries.length < total
      ? `Of ${count(total)} items this page holds ${count(entries.length)}, drawn by a hash of their ids: it would be too large with all of them. Lists are of what it holds; numbers are of all. `
      : '';
  const text = `${thinned}${redaction} The samples below are drawn by a hash of the item’s id, not by outcome; first repeat.`;
  return {
    id: 'items',
    title: 'Items',
    blocks: samples.length === 0 ? [] : [{ kind: 'paragraph', text }, ...samples],
  };
}
