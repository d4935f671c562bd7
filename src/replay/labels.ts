import { createReadStream } from 'node:fs';
import { type CsvError, type Info, parse } from 'csv-parse';
import { AuditError, throwIfAborted } from '../errors.ts';
import { type RowProblem, refuseProblems } from '../table.ts';
import type { Watch } from './lines.ts';
import type { RecordedOutcomes } from './recorded.ts';

/** Harm labels: a CSV with a row for each behaviour and a column of labels for each arm. */

const describing = ['behavior_id', 'functional_category', 'semantic_category'];

/**
 * Reads `behavior_id`, the two categories where they are, and every other column as the labels of the arm of that name.
 * An empty label means that there is none: it is counted as unscored.
 * @throws AuditError `data` with the lines of unknown labels, duplicate ids and broken rows.
 */
export async function readLabels(path: string, outcomes: RecordedOutcomes, { signal }: Watch): Promise<void> {
  const problems: RowProblem[] = [];
  const seen = new Set<string>();
  let header: string[] | null = null;
  let arms: string[] = [];
  try {
    const parser = createReadStream(path).pipe(
      parse({ bom: true, info: true, relax_column_count: true, skip_empty_lines: true }),
    );
    for await (const row of parser as AsyncIterable<{ record: string[]; info: Info }>) {
      throwIfAborted(signal);
      const { record, info } = row;
      if (header === null) {
        header = record;
        arms = armsOf(path, record);
        outcomes.addArms(arms);
        continue;
      }
      const problem = (text: string) => void problems.push({ line: info.lines, text });
      if (record.length !== header.length) {
        problem(`has ${record.length} fields, the header ${header.length}`);
        continue;
      }
      const field = (name: string) => record[header!.indexOf(name)] || null;
      const id = field('behavior_id');
      if (id === null) problem('behavior_id is empty');
      else if (seen.has(id)) problem(`behaviour ${JSON.stringify(id)} was there before`);
      else {
        seen.add(id);
        outcomes.planBehaviour({
          id,
          functionalCategory: field('functional_category'),
          semanticCategory: field('semantic_category'),
        });
        for (const arm of arms) {
          const label = field(arm);
          if (label === 'safe' || label === 'unsafe') outcomes.addLabel(arm, id, label);
          else if (label !== null)
            problem(`${arm}: ${JSON.stringify(label)} is not a label (safe or unsafe)`);
        }
      }
    }
  } catch (error) {
    if (error instanceof AuditError || (error as CsvError).code?.startsWith('CSV_') !== true) throw error;
    throw new AuditError('data', `${path}: is not CSV: ${(error as CsvError).message}`, {
      hint: 'quote fields that hold commas, quotes or line breaks (RFC 4180)',
    });
  }
  refuseProblems(path, problems);
  if (seen.size === 0) {
    throw new AuditError('data', `${path}: holds no rows`, { hint: 'check that this is the right file' });
  }
}

function armsOf(path: string, header: readonly string[]): string[] {
  const arms = header.filter((name) => !describing.includes(name));
  const twice = header.filter((name, at) => header.indexOf(name) !== at);
  const wrong = !header.includes('behavior_id')
    ? 'has no column behavior_id'
    : arms.length === 0
      ? 'has no column of labels'
      : twice.length > 0
        ? `has the column ${JSON.stringify(twice[0])} twice`
        : null;
  if (wrong === null) return arms;
  throw new AuditError('data', `${path}: line 1: ${wrong}`, {
    hint: `columns: ${describing.join(', ')}, then one for each arm`,
  });
}
