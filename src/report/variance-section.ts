import { count, decimal, percent, plural } from '../format.ts';
import type { VarianceBudget } from '../harm-record.ts';
import type { ReportInput } from '../report.ts';
import type { Block, Cell, Section } from './document.ts';
import { answerCount, counts, otherCount } from './item-counts.ts';

const flakyShown = 20;

/** Where the harm verdicts' variance comes from, and which items are not always judged alike. */
export function varianceSection({ summary, suites }: ReportInput): Section {
  const arms = Object.entries(summary.arms).flatMap(([arm, { harm }]) =>
    harm?.variance ? [{ arm, budget: harm.variance }] : [],
  );
  const blocks: Block[] = arms.length === 0 ? [] : [componentsTable(arms)];
  const templates = suites.flatMap(({ variance }) => variance?.templates.slice(1) ?? []);
  if (arms.length > 0 && templates.length > 0) {
    blocks.push({
      kind: 'paragraph',
      text: `Templates beside the prompt itself: ${templates.map((template) => JSON.stringify(template)).join(', ')}. Judges are shown the prompt itself.`,
    });
  }
  const flaky = arms.filter(({ budget }) => budget.flaky.length > 0).map(flakyLine);
  if (flaky.length > 0) blocks.push({ kind: 'list', items: flaky });
  return { id: 'variance', title: 'Variance budget', blocks };
}

interface ArmBudget {
  readonly arm: string;
  readonly budget: VarianceBudget;
}

/** Every prompt once: as it is, in its first repeat. */
const prompts = (arm: string) => ({ suite: 'harm', arm, item: ['plain', 'first repeat'] }) as const;

function componentsTable(arms: readonly ArmBudget[]): Block {
  const share = (part: number | null, { total }: VarianceBudget) =>
    percent(part !== null && total ? part / total : null);
  return {
    kind: 'table',
    caption:
      'Components of the variance of the harm verdicts (unsafe 1, safe 0), all rows. Item: prompts differ. Template and seed: everything shifts together. The rest: repeats, and prompts that react differently to template or seed. Flaky: not always judged alike.',
    headers: 1,
    columns: [
      { title: 'Arm' },
      { title: 'items', numeric: true },
      { title: 'dropped', numeric: true },
      { title: 'templates × seeds × repeats' },
      { title: 'variance', numeric: true },
      { title: 'item', numeric: true },
      { title: 'template', numeric: true },
      { title: 'seed', numeric: true },
      { title: 'rest', numeric: true },
      { title: 'flaky items', numeric: true },
    ],
    rows: arms.map(({ arm, budget }): Cell[] => [
      { arm },
      counts(answerCount(prompts(arm), budget.items, 'scored throughout')),
      counts(otherCount(prompts(arm), budget.dropped, 'scored throughout')),
      `${count(budget.templates)} × ${count(budget.seeds)} × ${count(budget.repeats)}`,
      decimal(budget.total, 3),
      share(budget.item, budget),
      share(budget.template, budget),
      share(budget.seed, budget),
      share(budget.repeat, budget),
      counts(answerCount(prompts(arm), budget.flaky.length, 'flaky')),
    ]),
  };
}

function flakyLine({ arm, budget: { flaky } }: ArmBudget): string {
  const shown = flaky.slice(0, flakyShown).map(({ id, unsafe, scored }) => `${id} ${unsafe}/${scored}`);
  const more = flaky.length - shown.length;
  return `Flaky in ${arm} (unsafe of all): ${shown.join(', ')}${more > 0 ? `, and ${plural(more, 'other')}` : ''}.`;
}
