/**
 * Makes an element's content like another's, keeping every node that can stay: focus, scroll and selection stay with it.
 * Nodes are matched by place, and by id where they have one.
 */
export function morph(current: Element, wanted: Element): void {
  const keep = keepers.get(current);
  if (keep) keep(wanted);
  else if (current instanceof HTMLSelectElement) morphSelect(current, wanted);
  else morphAny(current, wanted);
}

/** Elements that a script has made something else of: each takes over itself what it would become. */
export const keepers = new WeakMap<Element, (wanted: Element) => void>();

/** What was chosen stays chosen as long as it can be. */
function morphSelect(current: HTMLSelectElement, wanted: Element): void {
  const { value } = current;
  morphAny(current, wanted);
  if ([...current.options].some((option) => option.value === value)) current.value = value;
}

function morphAny(current: Element, wanted: Element): void {
  for (const { name } of [...current.attributes])
    if (!wanted.hasAttribute(name)) current.removeAttribute(name);
  for (const { name, value } of wanted.attributes)
    if (current.getAttribute(name) !== value) current.setAttribute(name, value);
  const next = [...wanted.childNodes];
  next.forEach((node, place) => {
    const own = find(current, node, place);
    if (!own) {
      current.insertBefore(document.importNode(node, true), current.childNodes[place] ?? null);
      return;
    }
    if (own !== current.childNodes[place]) current.insertBefore(own, current.childNodes[place] ?? null);
    if (own instanceof Element) morph(own, node as Element);
    else if (own.nodeValue !== node.nodeValue) own.nodeValue = node.nodeValue;
  });
  while (current.childNodes.length > next.length) current.lastChild?.remove();
}

/** The child that becomes `node`: the one of its id, or the one in its place if that is of its kind. */
function find(parent: Element, node: ChildNode, place: number): ChildNode | null {
  const id = node instanceof Element ? node.id : '';
  if (id)
    return [...parent.children].find((child) => child.id === id && child.nodeName === node.nodeName) ?? null;
  const there = parent.childNodes[place];
  const same = there && there.nodeName === node.nodeName && !(there instanceof Element && there.id);
  return same ? there : null;
}
