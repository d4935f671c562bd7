import { statSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { AuditError } from '../errors.ts';
import { type Follower, followRun } from './follow.ts';
import { liveSections, statusText } from './live-page.ts';
import type { LiveState } from './page.ts';
import { securityHeaders } from './respond.ts';

/** How often is looked. */
const everyMs = 1000;

/** `behind`: there is more to read already, so the next look comes sooner. `'reload'`: the page is another one from now on. */
export type LiveLook = () => Promise<(LiveState & { readonly behind?: boolean }) | 'reload'>;

/** Server-sent events: `update` with the page's state whenever it changes, `reload` or `damaged` once. */
export async function streamLive(
  response: ServerResponse,
  look: LiveLook,
  signal: AbortSignal,
): Promise<void> {
  response.writeHead(200, { ...securityHeaders, 'Content-Type': 'text/event-stream; charset=utf-8' });
  const send = (event: string, data: object) =>
    response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  const closed = new AbortController();
  response.on('close', () => closed.abort());
  const stop = AbortSignal.any([signal, closed.signal]);
  let sent = '';
  while (!stop.aborted) {
    const begun = performance.now();
    const state = await lookOrProblem(look);
    if (state instanceof AuditError) {
      send('damaged', { message: state.message });
      break;
    }
    if (state === 'reload') {
      send('reload', {});
      break;
    }
    const { status, html, behind = false } = state;
    const text = JSON.stringify([status, html]);
    if (text !== sent) send('update', { status, html });
    // A comment keeps the connection known to be alive.
    else response.write(':\n\n');
    sent = text;
    const took = performance.now() - begun;
    // Looking takes a tenth of a core at most, and half of one where a long journal is caught up with.
    await wait(behind ? took : Math.max(everyMs, 9 * took), undefined, { signal: stop }).catch(() => {});
  }
  response.end();
}

async function lookOrProblem(look: LiveLook) {
  try {
    return await look();
  } catch (error) {
    if (error instanceof AuditError) return error;
    throw error;
  }
}

/** The page of one run; once it is finished, its report. */
export function liveRunLook(follower: Follower): LiveLook {
  return async () => {
    const run = follower.look();
    if (run.status === 'finished') return 'reload';
    return { status: statusText(run), html: await liveSections(run), behind: run.read < 1 };
  };
}

/** Followers by run folder: pages on one run share what was read. A run that was begun anew is followed anew. */
export function createFollowers(): (directory: string) => Follower {
  const known = new Map<string, { readonly begun: number; readonly follower: Follower }>();
  return (directory) => {
    const begun = statSync(join(directory, 'run.json')).mtimeMs;
    const earlier = known.get(directory);
    if (earlier?.begun === begun) return earlier.follower;
    const follower = followRun(directory);
    known.set(directory, { begun, follower });
    return follower;
  };
}
