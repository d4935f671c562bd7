import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import { compareRuns } from '../compare-runs.ts';
import { AuditError } from '../errors.ts';
import { pageScript } from '../html/script.ts';
import { humanLabels } from '../human-record.ts';
import { readJsonBody } from '../request-body.ts';
import type { Catalogue } from './catalogue.ts';
import { comparePage } from './compare-page.ts';
import { statusOf } from './follow.ts';
import { indexPage, indexState } from './index-page.ts';
import { labelPage } from './label-page.ts';
import { type Labelling, openLabelling } from './labelling.ts';
import { livePage } from './live-page.ts';
import { createFollowers, liveRunLook, streamLive } from './live-stream.ts';
import { indexLink, noticePage, scriptAddress } from './page.ts';
import { createReports } from './reports.ts';
import { type Answer, addressOf, html, json, plain } from './respond.ts';

/** Address → answer, for those who were let in. */

export interface ViewerState {
  readonly catalogue: Catalogue;
  readonly labeller: string;
  /** Ends what is streamed. */
  readonly signal: AbortSignal;
}

/** Null: the response was taken over by a stream. */
export type Route = (request: IncomingMessage, response: ServerResponse) => Promise<Answer | null>;

const mostBodyBytes = 4096;
const labelRequest = z.strictObject({ ticket: z.string(), label: z.enum(humanLabels).nullable() });

export function createRoutes({ catalogue, labeller, signal }: ViewerState): Route {
  const reportOf = createReports();
  const followerOf = createFollowers();
  const labellings = new Map<string, Promise<Labelling>>();
  const seen = new Map<string, Set<string>>();
  const labellingOf = (directory: string, anew = false) => {
    const shown = seen.get(directory) ?? new Set();
    seen.set(directory, shown);
    const known = anew ? undefined : labellings.get(directory);
    const opened = known ?? openLabelling(directory, labeller, shown);
    labellings.set(directory, opened);
    opened.catch(() => labellings.delete(directory));
    return opened;
  };

  const runPage = async (directory: string, id: string) => {
    return statusOf(directory) === 'running' ? runningPage(directory, id) : reportPage(directory, id);
  };
  const reportPage = async (directory: string, id: string) => html((await reportOf(directory, id)).html);
  const runningPage = async (directory: string, id: string) =>
    html(await livePage(followerOf(directory).look(), id));
  const postLabel = async (request: IncomingMessage, directory: string) => {
    if (request.headers.origin === undefined) return json({ error: 'no Origin' }, 403);
    const body = await readJsonBody(request, mostBodyBytes);
    if ('status' in body) return json({ error: 'expected a small JSON document' }, body.status);
    const asked = labelRequest.safeParse(body.value);
    if (!asked.success) return json({ error: 'expected {"ticket":…,"label":…}' }, 400);
    const labelling = await labellingOf(directory);
    const outcome = await labelOrProblem(labelling, asked.data.ticket, asked.data.label);
    if (outcome instanceof AuditError) return json({ error: outcome.message }, 409);
    if (outcome === 'kept') return json({ kept: true });
    return outcome === 'unknown'
      ? json({ error: 'no such ticket' }, 404)
      : json({ error: 'an answer is labelled after it was shown' }, 409);
  };
  const runRoutes = async (
    [part = '', ticket]: readonly string[],
    { directory, id }: { directory: string; id: string },
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<Answer | null> => {
    if (part === 'labels' && request.method === 'POST') return postLabel(request, directory);
    if (part === '' && ticket === undefined) return runPage(directory, id);
    if (part === 'report' && ticket === undefined) return reportPage(directory, id);
    if (part === 'live' && ticket === undefined) return runningPage(directory, id);
    if (part === 'events' && ticket === undefined) {
      await streamLive(response, liveRunLook(followerOf(directory)), signal);
      return null;
    }
    if (part === 'label' && ticket === undefined) {
      await labellingOf(directory, true);
      const name = catalogue.list().find((run) => run.id === id)?.name ?? id;
      return html(labelPage(id, name, labeller));
    }
    if (part === 'queue' && ticket === undefined) return json((await labellingOf(directory)).queue());
    if (part === 'queue') {
      const text = (await labellingOf(directory)).text(ticket!);
      return text ? json(text) : json({ error: 'no such ticket' }, 404);
    }
    const items = ticket === undefined ? (await reportOf(directory, id)).parts.get(part) : undefined;
    return items === undefined ? notFound() : plain(items);
  };

  return async (request, response) => {
    const { pathname, searchParams } = addressOf(request)!;
    if (pathname === '/') return html(indexPage(catalogue.list()));
    if (pathname === '/events') {
      await streamLive(response, async () => indexState(catalogue.list()), signal);
      return null;
    }
    if (pathname === scriptAddress)
      return { status: 200, type: 'text/javascript', body: pageScript('view').text };
    if (pathname === '/compare') return compareRoute(catalogue, searchParams);
    const [, id, rest] = /^\/runs\/([0-9a-f]{16})\/([\w/-]*)$/.exec(pathname) ?? [];
    const directory = id === undefined ? null : catalogue.find(id);
    if (id === undefined || directory === null) return notFound();
    return runRoutes(rest!.split('/'), { directory, id }, request, response);
  };
}

type LabelArguments = Parameters<Labelling['label']>;

async function labelOrProblem(labelling: Labelling, ...asked: LabelArguments) {
  try {
    return await labelling.label(...asked);
  } catch (error) {
    if (error instanceof AuditError) return error;
    throw error;
  }
}

async function compareRoute(catalogue: Catalogue, query: URLSearchParams): Promise<Answer> {
  const runs = catalogue.list();
  const [first, second] = ['first', 'second'].map((name) => runs.find(({ id }) => id === query.get(name)));
  if (!first || !second) return notFound();
  const flags = { factor: query.getAll('factor') };
  const outcome = await compareRuns(first.directory, second.directory, flags).catch((error: unknown) => {
    if (error instanceof AuditError) return error;
    throw error;
  });
  return html(comparePage(runs, [first, second], flags, outcome));
}

const notFound = (): Answer =>
  html(
    noticePage('Not here', {
      text: 'There is no such page, or the run is gone.',
      links: [indexLink],
    }),
    404,
  );
