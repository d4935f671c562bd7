import { showInvisible } from './format.ts';

/** A chart to draw: a Vega-Lite specification without size-dependent guesses, and its words. */
export interface Chart {
  /** File name under figures/, e.g. `asr.svg`. */
  readonly file: string;
  readonly title: string;
  /** What it shows, in words and numbers. */
  readonly alternative: string;
  readonly specification: Readonly<Record<string, unknown>>;
}

/** How an arm is drawn everywhere: told apart by colour, by shape and by dashes. */
export interface ArmStyle {
  readonly colour: string;
  /** A Vega symbol name. */
  readonly shape: string;
  readonly dash: readonly number[];
}

/** Source: Okabe & Ito 2008, "Color universal design"; their black is the base's, here the text's own colour. */
const okabeIto = ['#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9'];
const shapes = ['square', 'triangle-up', 'diamond', 'triangle-down', 'cross'];
const dashes = [
  [7, 3],
  [2, 2],
  [9, 3, 2, 3],
  [4, 4],
  [12, 3],
];

/** The base in the text's colour as a circle, the others by order, whatever they are called. */
export function armStyles(arms: readonly string[], baseArm: string): ArmStyle[] {
  const others = arms.filter((arm) => arm !== baseArm);
  return arms.map((arm) => {
    const place = others.indexOf(arm);
    if (place < 0) return { colour: 'currentColor', shape: 'circle', dash: [1, 0] };
    return {
      colour: okabeIto[place % okabeIto.length]!,
      shape: shapes[place % shapes.length]!,
      dash: dashes[place % dashes.length]!,
    };
  });
}

const configuration = {
  background: null,
  padding: 4,
  font: 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif',
  aria: false,
  view: { stroke: null },
  axis: {
    labelColor: 'currentColor',
    titleColor: 'currentColor',
    domainColor: 'currentColor',
    tickColor: 'currentColor',
    gridColor: 'currentColor',
    gridOpacity: 0.14,
    domainOpacity: 0.5,
    tickOpacity: 0.5,
    labelFontSize: 12,
    titleFontSize: 12,
    titleFontWeight: 'normal',
    labelLimit: 170,
    titlePadding: 8,
    labelFlush: false,
  },
  axisY: { labelPadding: 8 },
  legend: {
    labelColor: 'currentColor',
    titleColor: 'currentColor',
    labelFontSize: 12,
    labelLimit: 170,
    orient: 'top',
    title: null,
    symbolSize: 80,
    columnPadding: 18,
    offset: 12,
  },
  header: {
    labelColor: 'currentColor',
    titleColor: 'currentColor',
    labelFontSize: 12,
    labelFontWeight: 'bold',
    title: null,
  },
  rule: { color: 'currentColor' },
  text: { color: 'currentColor', fontSize: 12 },
  title: { color: 'currentColor', fontSize: 12, fontWeight: 'bold', anchor: 'start' },
};

/** Ink and paper of a light page. */
const [ink, paper] = ['#1f2328', '#fff'];

/** The specification as a document of its own, data, colours and title included: it opens in the Vega editor. */
export function standalone({ title, alternative, specification }: Chart): Record<string, unknown> {
  const document = {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    description: alternative,
    title: { text: title, anchor: 'start' },
    ...specification,
    config: { ...configuration, background: paper },
  };
  return withTexts(document, (text) => (text === 'currentColor' ? ink : showInvisible(text)));
}

/** The same with every text in it changed: names, data and titles alike, so that what belongs together still does. */
function withTexts<T extends object>(document: T, change: (text: string) => string): T {
  const changed = JSON.stringify(document, (_, value: unknown) =>
    typeof value === 'string' ? change(value) : value,
  );
  return JSON.parse(changed) as T;
}

/**
 * Draws a chart as a self-contained SVG that follows the reader's light or dark scheme.
 * The same chart gives the same bytes on every machine: text is measured by an estimate, never by an installed font.
 */
export async function drawSvg(chart: Chart): Promise<string> {
  const [vega, vegaLite] = await Promise.all([import('vega'), import('vega-lite')]);
  // A canvas package that happens to be installed would measure text by this machine's fonts.
  (vega as unknown as { textMetrics: { width: typeof estimateTextWidth } }).textMetrics.width =
    estimateTextWidth;
  const quiet = vega.logger(vega.Error);
  const shown = withTexts(chart.specification, showInvisible);
  const specification = { ...shown, config: configuration } as unknown as Parameters<
    typeof vegaLite.compile
  >[0];
  const { spec } = vegaLite.compile(specification, { logger: quiet });
  const view = new vega.View(vega.parse(spec), { renderer: 'none', logger: quiet });
  try {
    vega.resetSVGDefIds();
    return finishSvg(await view.toSVG(), chart);
  } finally {
    view.finalize();
  }
}

/** Pixels of a line of text in a sans-serif face: 0.56 em a character, at most the mark's limit. */
function estimateTextWidth(item: { fontSize?: number; limit?: number }, text: unknown): number {
  const width = 0.56 * String(text ?? '').trim().length * (item.fontSize ?? 11);
  return item.limit && item.limit > 0 ? Math.min(width, item.limit) : width;
}

/** Blue and green a little lighter where the page is dark, for shapes under `selector`; print stays as it is. */
export function darkColours(selector: string): string {
  const lighter = [
    ['#0072B2', '#3a9fe0'],
    ['#009E73', '#1fbd91'],
  ] as const;
  const rules = (['fill', 'stroke'] as const).flatMap((paint) =>
    lighter.map(
      ([from, to]) => `${selector}[${paint}="${from}"],${selector} [${paint}="${from}"]{${paint}:${to}}`,
    ),
  );
  return `@media screen and (prefers-color-scheme:dark){${rules.join('')}}`;
}

const style = `<style>.aftertune-figure{color:${ink};background:${paper}}@media screen and (prefers-color-scheme:dark){.aftertune-figure{color:#e6edf3;background:#0f1419}}${darkColours('.aftertune-figure')}</style>`;

/** Vega's groups hold empty paths and words for other renderers: a third of the file, and nothing that is seen. */
function withoutScaffolding(svg: string): string {
  return svg
    .replace(/<path class="(?:back|fore)ground"(?![^>]* (?:fill|stroke)=)[^>]*\/>/g, '')
    .replace(/<(?!svg)[^>]+>/g, (tag) =>
      tag
        .replace(/ (?:role|aria-\w+|pointer-events|opacity)="(?!0)[^"]*"/g, (attribute) =>
          attribute.startsWith(' opacity') && attribute !== ' opacity="1"' ? attribute : '',
        )
        .replace(/ class="(mark-\w+) [^"]*"/, ' class="$1"')
        .replace(' transform="translate(0,0)"', ''),
    );
}

function finishSvg(svg: string, { file, title, alternative }: Chart): string {
  const id = `figure-${file.replace(/\.svg$/, '')}`;
  const words = `<title id="${id}-title">${escapeXml(title)}</title><desc id="${id}-desc">${escapeXml(alternative)}</desc>`;
  return `${withoutScaffolding(svg)
    // Coordinates to a hundredth of a pixel: smaller, and equal where platforms differ in the last bit.
    .replace(/ (?:d|transform|x|y|x1|x2|y1|y2|width|height)="[^"]*"/g, (attribute) =>
      attribute.replace(/-?\d+\.\d{3,}(?:e-\d+)?/g, (number) => String(Number(Number(number).toFixed(2)))),
    )
    .replace(/(id="|url\(#)((?:clip|gradient|pattern)\w*)/g, `$1${id}-$2`)
    // Said once at the top: nothing here is in another face.
    .replaceAll(` font-family="${escapeXml(configuration.font)}"`, '')
    .replace('class="marks"', 'class="aftertune-figure"')
    .replace(
      /<svg /,
      `<svg font-family="${escapeXml(configuration.font)}" role="img" aria-labelledby="${id}-title ${id}-desc" `,
    )
    .replace(/>/, () => `>${words}${style}`)}\n`;
}

/** Text for XML content and attribute values. */
export function escapeXml(text: string): string {
  const entities: Record<string, string> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  };
  return showInvisible(text).replace(/[&<>"']/g, (character) => entities[character]!);
}
