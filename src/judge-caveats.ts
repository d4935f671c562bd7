import type { Summary } from './record.ts';
import { largestUnscoredShare, unscoredShare } from './verdict.ts';

/** What a reader must know of the judges. */

type Bare = Omit<Summary, 'caveats'>;

const fairAgreement = 0.6;

export function judgeCaveats(summary: Bare): string[] {
  return [...judgeNotes(summary), ...unreliableJudges(summary), ...judgeDisagreement(summary)];
}

function judgeNotes({ judges }: Bare): string[] {
  return judges.flatMap(({ name, note }) => (note === undefined ? [] : [`Judge ${name}: ${note}.`]));
}

/** Judges beside the one that counts, whose own unscored rows are named above. */
function unreliableJudges({ arms, judges }: Bare): string[] {
  const [, ...others] = judges.filter(({ suite }) => suite === 'harm');
  return others.flatMap(({ name }) => {
    const shares = Object.entries(arms).flatMap(([arm, { harm }]) => {
      const share = unscoredShare(harm?.judges[name]);
      return share > largestUnscoredShare ? [`${arm} ${(100 * share).toFixed(1)} %`] : [];
    });
    return shares.length === 0
      ? []
      : [`Judge ${name} is unreliable here, too many completions are unscored: ${shares.join(', ')}.`];
  });
}

function judgeDisagreement({ agreement }: Bare): string[] {
  const caveats: string[] = [];
  const kappa = agreement?.cohenKappa;
  if (agreement && kappa !== null && kappa !== undefined && kappa < fairAgreement) {
    const [first, second] = agreement.judges;
    caveats.push(
      `Judges ${first} and ${second} agree little: Cohen’s κ ${kappa.toFixed(2)} on ${agreement.items} completions.`,
    );
  }
  for (const [arm, verdicts] of Object.entries(agreement?.verdictsByJudge ?? {})) {
    const said = Object.entries(verdicts).map(([judge, verdict]) => `${verdict} by ${judge}`);
    caveats.push(`${arm}: the verdict on headline ASR depends on the judge: ${said.join(', ')}.`);
  }
  return caveats;
}
