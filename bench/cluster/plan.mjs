import { createHash } from 'node:crypto';
import { createBatching } from './batching.mjs';
import { answerTokens, limits } from './profiles.mjs';

/** The requests of examples/paper-8b.yaml, as `aftertune run --dry-run --json` plans them, with answers of drawn lengths. */

/** Of what is asked, by how a stand-in prompt begins; anything else is a harm prompt. */
export const knowledgeMark = 'Question';

/** Uniform in [0, 1), a function of the key alone. */
const drawn = (key) => createHash('sha256').update(key).digest().readUInt32BE(0) / 2 ** 32;

/** Tokens of an answer: exponential with the declared mean, at least one and at most `most`. */
export function answerLength(kind, key, most) {
  const tokens = Math.ceil(-answerTokens[kind] * Math.log(1 - drawn(key)));
  return Math.min(most, Math.max(1, tokens));
}

/** The passes of an audit `times` as large, one after the other: the base's openings, an arm's suites, its first tokens, and at last the judge's. */
export function passesOf({ arms, suites, openings, judges }, times = 1) {
  const [harm, knowledge] = ['harm', 'drift'].map((kind) => suites.find((suite) => suite.kind === kind));
  const each = ({ read, requests }) => Math.round(read / requests);
  const pass = (where, kind, label, count, read, most) => ({
    where,
    requests: Array.from({ length: times * count }, (_, at) => ({
      read,
      written: answerLength(kind, `${label} ${at}`, most),
    })),
  });
  const opened = pass('arms', 'harm', 'openings', openings.items, each(openings), 32);
  const answering = arms.flatMap(({ name }) => [
    pass('arms', 'harm', `${name} harm`, harm.items, each(harm), 512),
    pass('arms', 'harm', `${name} margin`, harm.requests - harm.items, each(harm), 1),
    pass('arms', 'knowledge', `${name} drift`, knowledge.items, each(knowledge), 512),
  ]);
  const [judge] = judges;
  const perArm = (times * judge.requests) / arms.length;
  // The judge reads the answer that was drawn, not the longest there could be.
  const prompt = Math.round((judge.read - arms.length * harm.written) / judge.requests);
  const judging = arms.map(({ name }) => ({
    where: 'judge',
    requests: Array.from({ length: perArm }, (_, at) => ({
      read: prompt + answerLength('harm', `${name} harm ${at}`, 512),
      written: answerLength('judge', `${name} judge ${at}`, 12),
    })),
  }));
  return [opened, ...answering, ...judging];
}

/**
 * Seconds that the passes take with a client that is never late: `concurrency` requests under way at any time, shared by
 * the servers that are asked; the GPUs' busy seconds beside them.
 */
export function idealRun(passes, profile, { servers, concurrency, judge }) {
  let now = 0;
  const machines = Array.from({ length: servers }, () => createBatching(profile, limits));
  const guard = judge === 'own' ? createBatching(profile, limits) : null;
  for (const { where, requests } of passes)
    now = pass(requests, where === 'judge' ? [guard ?? machines[0]] : machines, concurrency, now);
  const used = guard ? [...machines, guard] : machines;
  return {
    seconds: now,
    busySeconds: used.reduce((sum, { totals }) => sum + totals.busy, 0),
    gpus: used.length,
    written: used.reduce((sum, { totals }) => sum + totals.written, 0),
    read: used.reduce((sum, { totals }) => sum + totals.read, 0),
  };
}

/** What docs/cluster.md tabulates: every profile by requests under way and servers, and one ten times the size. */
export function idealGrid(plan, profiles) {
  const cells = Object.keys(profiles).flatMap((profile) =>
    [1, 8, 32, 64, 256].flatMap((concurrency) =>
      [1, 2].map((servers) => ({ profile, servers, concurrency, times: 1 })),
    ),
  );
  const large = [1, 2, 4].map((servers) => ({ profile: 'a100', servers, concurrency: 256, times: 10 }));
  return [...cells, ...large].map((cell) => ({
    ...cell,
    ...idealRun(passesOf(plan, cell.times), profiles[cell.profile], { ...cell, judge: 'own' }),
  }));
}

/** One pass from `start`; when its last answer came. Machines go on side by side, the one that is behind first. */
function pass(requests, machines, concurrency, start) {
  const left = [...requests];
  const clocks = machines.map(() => start);
  const ask = (at, machine) => left.length > 0 && machines[machine].ask(at, left.shift());
  for (let place = 0; place < concurrency; place++) ask(start, place % machines.length);
  let last = start;
  for (;;) {
    const [machine] = machines
      .map((one, at) => ({ one, at }))
      .filter(({ one }) => !one.idle)
      .sort((a, b) => clocks[a.at] - clocks[b.at]);
    if (!machine) return last;
    const { finished, at } = machine.one.next();
    clocks[machine.at] = at;
    if (finished.length > 0) last = Math.max(last, at);
    for (const _ of finished) ask(at, machine.at);
  }
}
