/** Numbers as a report prints them: undefined is an en dash, never NaN; the minus sign is U+2212. */

export const absent = '–';

type Interval = readonly [number, number] | null | undefined;

/** A number with fixed decimals, e.g. `0.53`, `−1.2`. */
export function decimal(value: number | null | undefined, digits = 2): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return absent;
  const text = value.toFixed(digits);
  return Number(text) === 0 ? text.replace('-', '') : text.replace('-', '−');
}

/** A count with thousands apart, e.g. `12,345`. */
export function count(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return absent;
  return String(Math.round(value))
    .replace(/\B(?=(\d{3})+$)/g, ',')
    .replace('-', '−');
}

/** A rate in [0, 1] as `33.3 %`. */
export function percent(rate: number | null | undefined): string {
  const text = decimal(rate === null || rate === undefined ? rate : 100 * rate, 1);
  return text === absent ? absent : `${text} %`;
}

/** A signed difference in percentage points, e.g. `+57.8`. */
export function points(value: number | null | undefined): string {
  const text = decimal(value, 1);
  return value !== null && value !== undefined && value > 0 && Number(text) !== 0 && text !== absent
    ? `+${text}`
    : text;
}

/** An interval in the unit of its bounds times `scale`, e.g. `[50.1, 64.6]`. */
export function interval(bounds: Interval, scale = 1, digits = 1): string {
  if (!bounds?.every(Number.isFinite)) return absent;
  return `[${decimal(bounds[0] * scale, digits)}, ${decimal(bounds[1] * scale, digits)}]`;
}

/** A rate with its interval in percent, e.g. `33.3 % [26.9, 40.4]`. */
export function percentWithInterval(rate: number | null | undefined, bounds: Interval): string {
  return withInterval(percent(rate), interval(bounds, 100));
}

/** A difference in points with its interval, e.g. `+57.8 [50.1, 64.6]`, or with the unit `+57.8 points [50.1, 64.6]`. */
export function pointsWithInterval(value: number | null | undefined, bounds: Interval, unit = ''): string {
  const number = points(value);
  return withInterval(unit === '' || number === absent ? number : `${number} ${unit}`, interval(bounds));
}

/** `value [bounds]`, or the value alone where either is undefined. */
export function withInterval(value: string, bounds: string): string {
  return value === absent || bounds === absent ? value : `${value} ${bounds}`;
}

/** A p value for a table cell: `< 0.001`, three decimals under 0.1, else two. */
export function pValue(p: number | null | undefined): string {
  if (p === null || p === undefined || !Number.isFinite(p)) return absent;
  if (p < 0.001) return '< 0.001';
  return p.toFixed(p < 0.0995 ? 3 : 2);
}

/** A p value in a sentence: `p < 0.001`, `p = 0.62`, or `p –` where it is undefined. */
export function pSentence(p: number | null | undefined): string {
  const text = pValue(p);
  return text.startsWith('<') || text === absent ? `p ${text}` : `p = ${text}`;
}

/** `1 row`, `2 rows`. */
export function plural(n: number, noun: string, nouns = `${noun}s`): string {
  return `${count(n)} ${n === 1 ? noun : nouns}`;
}

/**
 * Makes characters visible that would hide or reorder text: controls (but tab and newline), format characters
 * such as bidirectional overrides (but the joiners that scripts and emoji need), lone surrogates and line separators.
 */
export function showInvisible(text: string): string {
  return text
    .replace(/\r\n?/g, '\n')
    .replace(/(?![\t\n\u200c\u200d])[\p{Cc}\p{Cf}\p{Co}\p{Cs}\u2028\u2029]/gu, (character) => {
      const code = character.codePointAt(0) as number;
      return code < 0x20
        ? String.fromCharCode(0x2400 + code)
        : `⟨U+${code.toString(16).toUpperCase().padStart(4, '0')}⟩`;
    });
}
