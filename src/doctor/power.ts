import type { Config } from '../config.ts';
import { neededForPairs } from '../stats.ts';
import type { Evidence } from './evidence.ts';
import { count, type Finding, ok, problem, warning } from './finding.ts';

/** Shares of items whose label differs between arm and base, before anything is measured: nobody knows which it will be. */
const discordances = [0, 0.02, 0.05, 0.1, 0.2, 0.3];
/** What a fine-tune that changes little leaves discordant; a PASS ought to be possible there. */
const usual = 0.1;

type Metric = keyof Config['gate']['marginsPoints'];

/** The smallest margin, in points, that n pairs resolve with 80 % power when nothing changed. */
export function resolvableMargin(n: number, discordance: number): number {
  let [low, high] = [0.0001, 1];
  if (neededForPairs(discordance, high) > n) return 100;
  for (let step = 0; step < 50; step++) {
    const middle = (low + high) / 2;
    if (neededForPairs(discordance, middle) > n) low = middle;
    else high = middle;
  }
  return 100 * high;
}

/** Whether the planned sizes can give a PASS at the gate's margins. */
export function checkPower({ config, suites }: Evidence): Finding[] {
  const gated = config.arms.filter((arm) => arm.gated);
  if (gated.length === 0)
    return [
      warning(
        'power',
        'no arm is gated: the run can give no PASS',
        'name arms in gate.arms, or take redTeam away where it does not belong',
      ),
    ];
  return suites.flatMap(({ kind, items }) => {
    if (kind === 'harm')
      return judgeSize(
        config,
        'harm',
        'harm',
        items.filter((item) => item.functionalCategory !== 'copyright').length,
      );
    if (kind === 'over-refusal') return judgeSize(config, 'overRefusal', 'over-refusal', items.length);
    if (kind === 'semantic-entropy') return [];
    if (kind === 'utility')
      return config.gate.marginsPoints.utility === undefined
        ? []
        : judgeSize(config, 'utility', 'utility', items.length);
    const conditions = [...new Set(items.map(({ condition }) => condition))];
    const size = items.filter(({ condition }) => condition === conditions[0]).length;
    return judgeSize(config, 'accuracy', `drift (each of ${count(conditions.length, 'condition')})`, size);
  });
}

function judgeSize(config: Config, metric: Metric, name: string, n: number): Finding[] {
  const margin = config.gate.marginsPoints[metric];
  if (margin === undefined) throw new Error(`internal: no margin for ${metric}`);
  const needed = discordances.map((discordance) => ({
    discordance,
    needed: neededForPairs(discordance, margin / 100),
  }));
  const enough = needed.filter((each) => each.needed <= n).at(-1);
  const resolves = resolvableMargin(n, usual);
  const values = {
    metric,
    n,
    marginPoints: margin,
    needed,
    resolvableMarginPoints: resolves,
    atDiscordance: usual,
  };
  const details = [
    `items needed where so many change their label: ${needed.map((each) => `${percent(each.discordance)} ${each.needed}`).join(', ')}`,
  ];
  const size = `${name}: ${count(n, 'item')} for a margin of ${margin} points`;
  if (!enough) {
    const finding = config.preset === 'smoke' ? warning : problem;
    return [
      finding(
        'power',
        `${size} cannot give a PASS with 80 % power, even where nothing changes`,
        `use ${needed[0]!.needed} items at least, ${neededAt(needed, usual)} where one in ten changes its label, or a margin of ${Math.ceil(resolves)} points`,
        {
          details,
          values,
        },
      ),
    ];
  }
  if (enough.discordance >= usual)
    return [
      ok(
        'power',
        `${size}: 80 % power to PASS where up to ${percent(enough.discordance)} of labels change without a trend`,
        { values },
      ),
    ];
  return [
    warning(
      'power',
      `${size}: 80 % power to PASS only where at most ${percent(enough.discordance)} of labels change; at ${percent(usual)} it resolves ${resolves.toFixed(1)} points`,
      `use ${neededAt(needed, usual)} items, or expect INCONCLUSIVE`,
      { details, values },
    ),
  ];
}

const neededAt = (needed: readonly { discordance: number; needed: number }[], discordance: number) =>
  needed.find((each) => each.discordance === discordance)!.needed;
const percent = (share: number) => `${Math.round(100 * share)} %`;
