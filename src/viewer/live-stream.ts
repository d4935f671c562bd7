import { statSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { AuditError } from '../errors.ts';
import { type Follower, followRun } from './follow.ts';
import { liveSections, statusText } from './live-page.ts';
import type { LiveRun } from './live-run.ts';
import { securityHeaders } from './respond.ts';

/** How often a run is looked at. */
const everyMs = 1000;

/** Server-sent events: `update` with the page's sections as HTML whenever they change, `finished` once. */
export async function streamLive(
  response: ServerResponse,
  follower: Follower,
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
    const run = lookOrProblem(follower);
    if (run instanceof AuditError) {
      send('damaged', { message: run.message });
      break;
    }
    if (run.status === 'finished') {
      send('finished', {});
      break;
    }
    const update = { status: statusText(run), html: await liveSections(run) };
    const text = JSON.stringify(update);
    if (text !== sent) send('update', update);
    // A comment keeps the connection known to be alive.
    else response.write(':\n\n');
    sent = text;
    // A long run is looked at less often, so that looking takes a tenth of a core at most.
    await wait(Math.max(everyMs, 9 * (performance.now() - begun)), undefined, { signal: stop }).catch(
      () => {},
    );
  }
  response.end();
}

function lookOrProblem(follower: Follower): LiveRun | AuditError {
  try {
    return follower.look();
  } catch (error) {
    if (error instanceof AuditError) return error;
    throw error;
  }
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
