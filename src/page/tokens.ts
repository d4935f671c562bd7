import { element } from './element.ts';

/** How sure a model was of each token of an answer: one byte per token, 255 p. */

/** Probabilities at which a shade ends; below the last one it is darkest. */
const steps = [0.9, 0.5, 0.2, 0.05];

/** 0 for a token that was all but certain, 4 for one that was hardly to be expected. */
function shade(probability: number): number {
  const step = steps.findIndex((least) => probability >= least);
  return step < 0 ? steps.length : step;
}

const read = (bytes: string): number[] => Array.from(bytes, (byte) => byte.charCodeAt(0) / 255);
const inPercent = (probability: number) => `${Math.round(100 * probability)} %`;

/** A completion as its tokens; what no token stands for stays as it is. */
export function shadedText(completion: string, probabilities: string, lengths: string): DocumentFragment {
  const made = document.createDocumentFragment();
  let start = 0;
  read(probabilities).forEach((probability, at) => {
    const end = start + lengths.charCodeAt(at);
    if (end === start) return;
    const token = element(
      'span',
      { class: `token token-${shade(probability)}` },
      completion.slice(start, end),
    );
    token.title = `p ${inPercent(probability)}`;
    made.append(token);
    start = end;
  });
  made.append(completion.slice(start));
  return made;
}

/** The same as bars in a row, for answers whose tokens' texts are not on record. */
export function confidenceLine(probabilities: string): HTMLElement {
  const values = read(probabilities);
  const space = 'http://www.w3.org/2000/svg';
  const drawing = document.createElementNS(space, 'svg');
  drawing.setAttribute('viewBox', `0 0 ${values.length} 10`);
  drawing.setAttribute('preserveAspectRatio', 'none');
  drawing.setAttribute('class', 'confidence');
  drawing.setAttribute('role', 'img');
  const least = Math.min(...values);
  drawing.setAttribute(
    'aria-label',
    `Probability of each of ${values.length} tokens; the least is ${inPercent(least)}`,
  );
  values.forEach((value, at) => {
    const bar = document.createElementNS(space, 'rect');
    const height = Math.max(0.3, 10 * value);
    for (const [name, number] of Object.entries({ x: at, y: 10 - height, width: 0.8, height }))
      bar.setAttribute(name, String(number));
    drawing.append(bar);
  });
  const made = element('div', { class: 'confidence-line' });
  made.append(drawing);
  return made;
}
