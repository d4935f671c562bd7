import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ours } from './contenders.mjs';
import { startServer } from './mock.mjs';

/** What of the main thread's time the journal takes while a server that takes so long for an answer is asked. */
export async function journalShare({ connections, scratch }, items, latencyMs) {
  const server = await startServer(latencyMs);
  const folder = mkdtempSync(join(scratch, 'profile-'));
  const found = await ours({ server, connections, scratch }, items, [
    '--cpu-prof',
    `--cpu-prof-dir=${folder}`,
  ]);
  server.stop();
  const [name] = readdirSync(folder);
  return {
    latencyMs,
    itemsPerSecond: found.itemsPerSecond,
    ...sharesOf(JSON.parse(readFileSync(join(folder, name), 'utf8'))),
  };
}

/** From the first to the last sample in which the journal is written for answers: shares of the time between. */
function sharesOf({ nodes, samples, timeDeltas }) {
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id])));
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const kinds = new Map();
  const kindOf = (id) => {
    if (kinds.has(id)) return kinds.get(id);
    const { url, functionName } = frames.get(id);
    const own = /dist\/(journal|journal-lines|line-index)\.js$/.test(url)
      ? 'journal'
      : /dist\/evaluate\.js$/.test(url)
        ? 'asking'
        : functionName === '(idle)'
          ? 'idle'
          : null;
    const above = parents.has(id) ? kindOf(parents.get(id)) : null;
    const kind = own === 'journal' || above === 'journal' ? 'journal' : (own ?? above);
    kinds.set(id, kind);
    return kind;
  };
  const asking = samples.map((id) => ['asking'].includes(kindOf(id)));
  const [from, to] = [asking.indexOf(true), asking.lastIndexOf(true)];
  const spent = { journal: 0, idle: 0, all: 0 };
  for (let at = from; at <= to; at++) {
    const kind = kindOf(samples[at]);
    spent.all += timeDeltas[at];
    if (kind === 'journal' || kind === 'idle') spent[kind] += timeDeltas[at];
  }
  return { journalShare: spent.journal / spent.all, idleShare: spent.idle / spent.all };
}
