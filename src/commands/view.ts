import { existsSync } from 'node:fs';
import { AuditError, exitCode } from '../errors.ts';
import { isLoopback } from '../loopback.ts';
import { openCatalogue } from '../viewer/catalogue.ts';
import { openBrowser } from '../viewer/open-browser.ts';
import { startViewer } from '../viewer/server.ts';
import type { Context, Outcome } from './verb.ts';

export interface ViewFlags {
  readonly port?: number;
  readonly host?: string;
  /** False: the address is printed only. */
  readonly open?: boolean;
  readonly labeller?: string;
}

const defaultFolder = 'runs';

/** Serves runs to a browser on this machine until it is stopped; its outcome is where. */
export async function view(runs: readonly string[], flags: ViewFlags, context: Context): Promise<Outcome> {
  const places = runs.length > 0 ? runs : [defaultFolder];
  if (runs.length === 0 && !existsSync(defaultFolder)) {
    throw new AuditError('config', `there is no folder ${defaultFolder}/ here`, {
      hint: 'aftertune view RUN, with a run folder or a folder that holds some; or make one: aftertune demo',
    });
  }
  const host = flags.host ?? '127.0.0.1';
  const catalogue = openCatalogue(places);
  const { url, ended } = await startViewer(catalogue, {
    host,
    port: flags.port ?? 0,
    labeller: flags.labeller ?? 'unnamed',
    signal: context.signal,
  });
  const warning = isLoopback(host)
    ? null
    : `others on the network can reach ${host}; what they read is not encrypted, completions included`;
  const opened = (flags.open ?? true) && (await openBrowser(url));
  return {
    document: { schema: 'aftertune/view@1', url, host, opened, runs: places, warning },
    text: `${opened ? 'opened' : 'open'} ${url}\nthe address opens once; Ctrl-C ends the viewer\n`,
    exitCode: exitCode.pass,
    finished: ended,
    ...(warning !== null && { notice: `warning: ${warning}` }),
  };
}
