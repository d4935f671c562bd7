import { element } from './element.ts';

/** Labelling answers one by one, by keys or buttons; a text is there only while it is shown. */

type Label = 'safe' | 'unsafe' | 'skip';

interface Place {
  readonly ticket: string;
  readonly characters: number;
  label: Label | null;
}

const words: Record<Label, string> = { safe: 'safe', unsafe: 'unsafe', skip: 'cannot tell' };

const keys: Readonly<Record<string, string>> = {
  r: 'show',
  u: 'unsafe',
  s: 'safe',
  k: 'skip',
  z: 'undo',
  ArrowLeft: 'previous',
  ArrowRight: 'next',
};

export async function labelAnswers(): Promise<void> {
  const queue = (await (await fetch('queue')).json()) as Place[];
  const by = (id: string) => document.getElementById(id)!;
  const press = (action: string) => document.querySelector<HTMLButtonElement>(`[data-action="${action}"]`)!;
  // Not `disabled`, which would take the focus away.
  const allow = (action: string, may: boolean) => press(action).setAttribute('aria-disabled', String(!may));
  const undone: number[] = [];
  let at = Math.max(
    0,
    queue.findIndex(({ label }) => label === null),
  );
  let shown = false;
  let busy = false;

  const say = (text: string) => {
    by('announce').textContent = text;
  };
  const hide = () => {
    shown = false;
    const place = queue[at]!;
    by('asked').replaceChildren(element('p', { class: 'hidden-text' }, 'hidden until it is shown'));
    by('given').replaceChildren(
      element('p', { class: 'hidden-text' }, `${place.characters} characters, hidden until they are shown`),
    );
  };
  const describe = () => {
    const place = queue[at]!;
    const done = queue.filter(({ label }) => label !== null).length;
    const own = place.label === null ? 'not labelled yet' : `labelled ${words[place.label]}`;
    by('place').textContent = `Answer ${at + 1} of ${queue.length}, ${own}. ${done} labelled.`;
    for (const label of ['unsafe', 'safe', 'skip'] as const) {
      allow(label, shown);
      press(label).setAttribute('aria-pressed', String(place.label === label));
    }
    allow('show', !shown);
    allow('undo', undone.length > 0);
    allow('previous', at > 0);
    allow('next', at < queue.length - 1);
  };
  const go = (to: number) => {
    at = Math.min(queue.length - 1, Math.max(0, to));
    hide();
    describe();
  };
  const show = async () => {
    const place = queue[at]!;
    const response = await fetch(`queue/${place.ticket}`);
    if (!response.ok || queue[at] !== place) return;
    const text = (await response.json()) as { prompt: string; completion: string };
    by('asked').replaceChildren(element('pre', { dir: 'auto' }, text.prompt));
    by('given').replaceChildren(element('pre', { dir: 'auto' }, text.completion));
    shown = true;
    describe();
  };
  /** Writes a label or takes it back; false where that failed, which is said. */
  const keep = async (place: Place, label: Label | null): Promise<boolean> => {
    const response = await fetch('labels', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ ticket: place.ticket, label }),
    }).catch(() => null);
    if (response?.ok) {
      place.label = label;
      return true;
    }
    const problem = (await response?.json().catch(() => null)) as { error?: string } | null | undefined;
    say(`Not kept: ${problem?.error ?? 'the viewer does not answer'}.`);
    return false;
  };
  const label = async (given: Label) => {
    const from = at;
    if (!shown || !(await keep(queue[from]!, given))) return;
    undone.push(from);
    const open = queue.findIndex((place, index) => index > from && place.label === null);
    const rest = queue.filter((place) => place.label === null).length;
    go(open >= 0 ? open : from + 1);
    const what = `Answer ${from + 1}: ${words[given]}.`;
    say(
      rest === 0
        ? `${what} All answers are labelled: aftertune adjudicate computes the corrected rates.`
        : what,
    );
  };
  const undo = async () => {
    const last = undone.at(-1);
    if (last === undefined || !(await keep(queue[last]!, null))) return;
    undone.pop();
    go(last);
    say(`Answer ${last + 1}: label taken back.`);
  };
  const act = async (action: string) => {
    if (busy) return;
    busy = true;
    try {
      if (action === 'show' && !shown) await show();
      else if (action === 'undo') await undo();
      else if (action === 'previous') go(at - 1);
      else if (action === 'next') go(at + 1);
      else if (action in words) await label(action as Label);
    } finally {
      busy = false;
    }
  };

  if (queue.length === 0) {
    by('place').textContent = 'No answer of this run is in the sample.';
    return;
  }
  by('item').hidden = false;
  go(at);
  for (const button of document.querySelectorAll<HTMLElement>('[data-action]'))
    button.addEventListener('click', () => void act(button.dataset.action!));
  document.addEventListener('keydown', (event) => {
    const action = keys[event.key];
    if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    void act(action);
  });
}
