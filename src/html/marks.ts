import { armStyles, escapeXml as escapeHtml } from '../plot.ts';
import type { Verdict } from '../record.ts';

/** What every part of a page needs to know of the whole. */
export interface Page {
  readonly marks: ReadonlyMap<string, string>;
  readonly figures: Readonly<Record<string, string>>;
}

const chipSigns: Record<Verdict, string> = { PASS: '✓', FAIL: '✕', INCONCLUSIVE: '?' };

/** A verdict as a chip. */
export function chip(verdict: Verdict): string {
  return `<span class="chip chip-${verdict.toLowerCase()}"><span aria-hidden="true">${chipSigns[verdict]}</span> ${verdict}</span>`;
}

/** An arm's name with the mark that stands for it in the figures. */
export function armToHtml(arm: string, { marks }: Page): string {
  return `<span class="arm">${marks.get(arm) ?? ''}<bdi>${escapeHtml(arm)}</bdi></span>`;
}

/** A heading that may be an arm's name. */
export function armOrText(text: string, page: Page): string {
  return page.marks.has(text) ? armToHtml(text, page) : escapeHtml(text);
}

const markPaths: Record<string, string> = {
  circle: '<circle cx="6" cy="6" r="4.6"/>',
  square: '<path d="M1.8 1.8h8.4v8.4H1.8z"/>',
  'triangle-up': '<path d="M6 1 11.2 10.4H.8z"/>',
  diamond: '<path d="M6 .4 10.4 6 6 11.6 1.6 6z"/>',
  'triangle-down': '<path d="M6 11 .8 1.6h10.4z"/>',
  cross: '<path d="M4.3 1h3.4v3.3H11v3.4H7.7V11H4.3V7.7H1V4.3h3.3z"/>',
};

/** The marks that stand for arms in the figures. */
export function armMarks(arms: readonly string[], baseArm: string): ReadonlyMap<string, string> {
  const styles = armStyles(arms, baseArm);
  return new Map(arms.map((arm, place) => [arm, armMark(styles[place]!)]));
}

function armMark({ colour, shape }: { colour: string; shape: string }): string {
  return `<svg class="mark" viewBox="0 0 12 12" width="12" height="12" aria-hidden="true" fill="${colour}">${markPaths[shape] ?? ''}</svg>`;
}
