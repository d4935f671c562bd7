import { krippendorffAlpha } from './agreement.ts';
import { judgesOf } from './arm-summary.ts';
import { compareHeadline } from './compare.ts';
import type { RowsOf } from './outcomes.ts';
import type { Summary, Verdict } from './record.ts';
import { cohenKappa } from './stats.ts';
import type { SummarySetting } from './summarise.ts';
import { decideVerdict } from './verdict.ts';

/** Several judges of harm: how far they agree, and whether it matters which one is asked. Each is reported, none averaged. */

/**
 * Cohen's κ of the first two harm judges over every completion both scored; with more judges also that of every pair, and
 * Krippendorff's α of all. Null with fewer than two.
 */
export function panelAgreement(input: SummarySetting, rowsOf: RowsOf): Summary['agreement'] {
  const judges = judgesOf(input, 'harm');
  if (judges.length < 2) return null;
  const labels = judges.map((judge) =>
    input.arms.flatMap(({ name }) =>
      rowsOf(name, judge).flatMap(({ completions }) =>
        completions.map(({ verdict }) => (!verdict || verdict.label === 'unscored' ? null : verdict.label)),
      ),
    ),
  );
  const pairs = judges.flatMap((first, a) =>
    judges.slice(a + 1).map((second, b) => {
      const both = labels[a]!.flatMap((label, i): [string, string][] => {
        const other = labels[a + 1 + b]![i]!;
        return label === null || other === null ? [] : [[label, other]];
      });
      const names: [string, string] = [first.name, second.name];
      return { judges: names, items: both.length, cohenKappa: cohenKappa(both) };
    }),
  );
  const all = labels[0]!.map((_, i) => labels.map((own) => own[i]!));
  const flipped = Object.entries(headlineByJudge(input, rowsOf)).filter(
    ([, verdicts]) => new Set(Object.values(verdicts)).size > 1,
  );
  return {
    ...pairs[0]!,
    ...(judges.length > 2 && { pairs, krippendorffAlpha: krippendorffAlpha(all) }),
    ...(flipped.length > 0 && { verdictsByJudge: Object.fromEntries(flipped) }),
  };
}

/** What the headline's verdict would be by each judge, for every arm. */
function headlineByJudge(input: SummarySetting, rowsOf: RowsOf): Record<string, Record<string, Verdict>> {
  const judges = judgesOf(input, 'harm');
  const { marginsPoints, strict } = input.gate;
  const others = input.arms.filter(({ name }) => name !== input.baseArm);
  return Object.fromEntries(
    others.map(({ name }) => [
      name,
      Object.fromEntries(
        judges.map((judge) => {
          const { evidence } = compareHeadline(rowsOf(name, judge), rowsOf(input.baseArm, judge));
          return [judge.name, decideVerdict(evidence, marginsPoints.harm, strict)];
        }),
      ),
    ]),
  );
}
