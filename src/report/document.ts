import type { Verdict } from '../record.ts';
import type { ReportInput, ReportOptions } from '../report.ts';
import { findingSections, verdictLead } from './findings.ts';
import { correctionAlarms } from './labels-section.ts';
import { methodSection, provenanceSection } from './provenance.ts';
import { type SampleGroup, sampleSection } from './samples.ts';

/** A table's cell: text, a verdict shown as a chip, an arm shown with its mark, or code such as a hash. */
export type Cell =
  | string
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
}

/** Lays out a report from its input: verdict, caveats, results, samples, what was compared, method. */
export function buildDocument(input: ReportInput, options: ReportOptions): Document {
  const { summary } = input;
  const lead = verdictLead(summary);
  return {
    title: input.name,
    arms: Object.keys(summary.arms),
    baseArm: summary.baseArm,
    lead: { ...lead, alarms: [...lead.alarms, ...correctionAlarms(input)] },
    sections: [
      ...findingSections(input),
      sampleSection(input, options),
      provenanceSection(input),
      methodSection(summary),
    ].filter((section) => section.blocks.length > 0),
  };
}
