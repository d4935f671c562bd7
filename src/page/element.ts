import { showInvisible } from '../format.ts';

/**
 * Makes an element. Texts become text nodes, never markup, with what would hide or reorder them made visible; attributes
 * are set by the page's own names alone.
 */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string>> = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children.map((child) => (typeof child === 'string' ? showInvisible(child) : child)));
  return made;
}

/** A button that does something when pressed. */
export function button(
  label: string,
  attributes: Readonly<Record<string, string>>,
  press: () => void,
): HTMLButtonElement {
  const made = element('button', { type: 'button', ...attributes }, label);
  made.addEventListener('click', press);
  return made;
}

/** An arm's name with the mark that stands for it everywhere in the page. */
export function armName(arm: string): HTMLElement {
  const known = [...document.querySelectorAll('main .arm')].find(
    (shown) => shown.querySelector('bdi')?.textContent === showInvisible(arm),
  );
  const mark = known?.querySelector('svg')?.cloneNode(true);
  return element('span', { class: 'arm' }, ...(mark ? [mark] : []), element('bdi', {}, arm));
}
