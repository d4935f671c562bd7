import { morph } from './morph.ts';

/** Keeps a page up to date where it is read: the runs that are there, or one that is going on. */

interface Update {
  readonly status: string;
  readonly html: string;
}

/** A screen reader is told this often at most. */
const announceMs = 15_000;

/** `updated` is called after every change. */
export function followLive(updated: () => void = () => {}): void {
  const live = document.getElementById('live')!;
  const status = document.getElementById('live-status')!;
  const announce = document.getElementById('announce')!;
  const events = new EventSource('events');
  let announcedMs = Number.NEGATIVE_INFINITY;
  const tell = (text: string) => {
    announcedMs = performance.now();
    if (announce.textContent !== text) announce.textContent = text;
  };
  events.addEventListener('update', ({ data }: MessageEvent<string>) => {
    const update = JSON.parse(data) as Update;
    // Parsed apart from the page, where nothing of it can run or load.
    const parsed = new DOMParser().parseFromString(`<div id="live">${update.html}</div>`, 'text/html');
    holdingStill(live, () => {
      if (status.textContent !== update.status) status.textContent = update.status;
      morph(live, parsed.getElementById('live')!);
      updated();
    });
    if (performance.now() - announcedMs >= announceMs) tell(update.status);
  });
  events.addEventListener('reload', () => {
    events.close();
    tell('The run is finished: here is its report.');
    location.reload();
  });
  events.addEventListener('damaged', ({ data }: MessageEvent<string>) => {
    events.close();
    status.textContent = (JSON.parse(data) as { message: string }).message;
  });
  events.addEventListener('error', () => {
    status.textContent = 'The viewer does not answer: was it stopped? What is shown is as it last was.';
    tell(status.textContent);
  });
}

/**
 * Whatever grows above: the row that has the focus stays where it is on the screen, or else the first that is read. Not
 * left to the browser, which holds nothing inside what scrolls sideways.
 */
function holdingStill(live: HTMLElement, change: () => void): void {
  const place = (element: Element) => element.getBoundingClientRect();
  const isSeen = (element: Element) => place(element).bottom > 0 && place(element).top < innerHeight;
  const focused = document.activeElement?.closest('tr');
  const rows = place(live).top < 0 ? [...live.querySelectorAll('tr, li, h2')] : [];
  const held =
    focused && live.contains(focused) && isSeen(focused)
      ? focused
      : rows.find((row) => place(row).top >= 0 && isSeen(row));
  const before = held && place(held).top;
  change();
  if (held?.isConnected) scrollBy({ top: place(held).top - before!, behavior: 'instant' });
}
