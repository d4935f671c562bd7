import { count } from '../format.ts';
import type { ItemRecord, Verdict } from '../record.ts';
import { countBy } from '../records.ts';
import type { ReportInput, ReportOptions } from '../report.ts';
import type { SuiteKind } from '../suite.ts';
import { findingSections } from './findings.ts';
import { type HeldInput, heldRecords } from './held-records.ts';
import { otherCount } from './item-counts.ts';
import { type ItemEntries, itemEntries } from './item-entries.ts';
import { correctionAlarms } from './labels-section.ts';
import { hasResult, verdictLead } from './lead.ts';
import { type PackedItems, packItems } from './packed-items.ts';
import type { ItemSelector } from './page-data.ts';
import { methodSection, provenanceSection } from './provenance.ts';
import { type Judged, redactionOf, verdictsByAnswer } from './redaction.ts';
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
  /** Too long for a comment on a pull request: Markdown leaves it out. */
  readonly onlyOnPage?: boolean;
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
  /** What became of the arms' safety; null where that was not measured. */
  readonly outcome: string | null;
  /** The gate's verdict in one sentence of plain words. */
  readonly sentence: string;
  /** What puts the outcome itself in doubt, such as another judge that would change it. */
  readonly alarms: readonly string[];
  readonly gated: readonly GatedMetric[];
  readonly findings: readonly Finding[];
  readonly exitCode: number;
  readonly compared: readonly ComparedPart[];
}

/** One gated metric of one arm. */
export interface GatedMetric {
  readonly arm: string;
  readonly metric: string;
  readonly verdict: Verdict;
  /** In points, with its interval. */
  readonly difference: string;
  /** How many items more would decide it; null where it is decided. */
  readonly needed: string | null;
}

/** Some of what was compared, each with the beginning of its hash where it has one. */
export interface ComparedPart {
  readonly name: string;
  readonly values: readonly { readonly text: string; readonly hash: string | null }[];
}

/** A report before it is Markdown or HTML. */
export interface Document {
  readonly title: string;
  readonly arms: readonly string[];
  readonly baseArm: string;
  /** What is wrong with the run, before anything else. */
  readonly notices: readonly string[];
  readonly lead: Lead;
  readonly sections: readonly Section[];
  /** Every item with its answers, for the page's script; null without any. */
  readonly items: () => PackedItems | null;
}

/** Lays out a report from its input: verdict, caveats, results, samples, what was compared, method. */
export function buildDocument(input: ReportInput, options: ReportOptions): Document {
  const { summary } = input;
  const lead = verdictLead(input);
  const arms = Object.keys(summary.arms);
  const held = heldRecords(input);
  const redaction = redactionOf(judgedIn(held), options);
  const found = itemEntries(held);
  return {
    title: input.name,
    arms,
    baseArm: summary.baseArm,
    notices: input.notices ?? [],
    lead: { ...lead, alarms: [...lead.alarms, ...correctionAlarms(input)] },
    sections: [
      ...(input.notices ? [extentSection(input)] : []),
      ...findingSections(input),
      itemSection(found, sampleBlocks(held, redaction), options),
      provenanceSection(input),
      methodSection(summary),
    ].filter((section) => section.blocks.length > 0),
    items: () => packItems(found, arms, redaction),
  };
}

function judgedIn(input: HeldInput): Judged {
  const { items, verdicts, summary } = input;
  const spoke = [...summary.judges.map(({ suite, name: judge }) => ({ suite, judge })), ...verdicts];
  const judges = spoke.flatMap(({ suite, judge }) => (suite === 'harm' ? [judge] : []));
  return { items, verdictsOf: verdictsByAnswer(verdicts), judges: hasResult(input) ? judges : null };
}

/** How far a run that broke off had come. */
function extentSection({ summary, items, verdicts }: ReportInput): Section {
  const key = ({ suite, arm }: Pick<ItemRecord, 'suite' | 'arm'>) => JSON.stringify([suite, arm]);
  const [answered, judged] = [countBy(items, key), countBy(verdicts, key)];
  const suites = [...new Set([...answered.keys()].map((one) => (JSON.parse(one) as [SuiteKind])[0]))];
  const rows = suites.flatMap((suite) =>
    Object.keys(summary.arms).map((arm): Cell[] => {
      const own = (counts: ReadonlyMap<string, number>) => counts.get(key({ suite, arm })) ?? 0;
      const answers = otherCount({ suite, arm }, own(answered), 'no answer');
      return [suite, { arm }, { counts: [answers] }, count(own(judged))];
    }),
  );
  const columns = [
    { title: 'Suite' },
    { title: 'Arm' },
    { title: 'answers', numeric: true },
    { title: 'verdicts', numeric: true },
  ];
  const table: Table = { kind: 'table', caption: 'Records that could be read.', headers: 2, columns, rows };
  return {
    id: 'extent',
    title: 'What there is',
    blocks: rows.length > 0 ? [table] : [{ kind: 'paragraph', text: 'No answer is on record.' }],
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
  const text =
    samples.length === 0
      ? `${thinned}These outcomes were recorded without prompts and completions: items are ids with labels and numbers.`
      : `${thinned}${redaction} The samples below are drawn by a hash of the item’s id, not by outcome; first repeat.`;
  return {
    id: 'items',
    title: 'Items',
    blocks: entries.length === 0 ? [] : [{ kind: 'paragraph', text }, ...samples],
  };
}
