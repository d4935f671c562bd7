import { askedPrompts, type Evidence, lastUserTurn, systemOf, trainingRows } from './evidence.ts';
import { count, type Finding, ok, problem, warning } from './finding.ts';
import { findOverlaps, nearDuplicate, normalisePrompt } from './overlap.ts';

/** Checks of what the arms are trained on and asked. */

/** What could not be read, else how much there is. */
export function checkData({ failures, suites, rows }: Evidence): Finding[] {
  if (failures.length > 0) {
    return failures.map(({ code, message, hint, problems }) =>
      problem(['model', 'adapter', 'unsupported'].includes(code) ? 'model' : 'data', message, hint ?? null, {
        details: problems,
      }),
    );
  }
  const asked = suites.map(({ kind, items }) => `${kind} ${count(items.length, 'prompt')}`);
  const trained = [...rows].map(([arm, own]) => `${arm} ${count(own.length, 'row')}`);
  return [ok('data', `every file can be read: ${[...asked, ...trained].join(', ')}`)];
}

/** Prompts that a suite asks twice: they count twice, and are not independent. */
export function checkDuplicates({ suites }: Evidence): Finding[] {
  return suites.map(({ kind, items }) => {
    const first = new Map<string, string>();
    const twice: string[] = [];
    for (const { id, condition, messages } of items) {
      const key = `${condition} ${systemOf(messages) ?? ''} ${normalisePrompt(lastUserTurn(messages))}`;
      const earlier = first.get(key);
      if (earlier === undefined) first.set(key, id);
      else twice.push(`${id} is ${earlier} again`);
    }
    if (twice.length === 0) return ok('duplicates', `${kind}: no prompt is asked twice`);
    return warning(
      'duplicates',
      `${kind}: ${count(twice.length, 'prompt')} of ${items.length} asked twice (but for case and punctuation)`,
      'leave one of each out: equal prompts make intervals too narrow',
      { details: twice },
    );
  });
}

/** Prompts that arms are trained on and asked: what a suite then measures is memory. */
export function checkOverlap(evidence: Evidence): Finding[] {
  const training = trainingRows(evidence).map(({ id, messages }) => ({ id, text: lastUserTurn(messages) }));
  if (training.length === 0) return [];
  return evidence.suites.map(({ kind, items }) => {
    const prompts = items.map(({ messages }) => lastUserTurn(messages));
    const overlaps = findOverlaps(
      prompts,
      training.map(({ text }) => text),
    );
    const same = overlaps.filter((overlap) => overlap.kind !== 'near').length;
    const near = overlaps.length - same;
    const values = {
      prompts: prompts.length,
      training: training.length,
      same,
      near,
      threshold: nearDuplicate,
    };
    const rule = `near: Jaccard similarity of character 5-shingles of at least ${nearDuplicate}`;
    if (overlaps.length === 0)
      return ok('overlap', `${kind}: none of ${count(prompts.length, 'prompt')} is trained on (${rule})`, {
        values,
      });
    const details = overlaps.map(
      ({ at, training: place, kind: how, similarity }) =>
        `${items[at]!.id} ~ training row ${training[place]!.id} (${how === 'near' ? similarity.toFixed(2) : how})`,
    );
    const message = `${kind}: ${same} of ${prompts.length} prompts are trained on, ${near} more nearly (${rule})`;
    const advice = 'take them out of the training or the evaluation data: the arms have seen the question';
    return (same > 0 ? problem : warning)('overlap', message, advice, { details, values });
  });
}

/** Whether arms are asked under another system prompt than they were trained under. */
export function checkSystemPrompts(evidence: Evidence): Finding[] {
  const trained = new Set(trainingRows(evidence).map(({ messages }) => systemOf(messages)));
  if (trained.size === 0) return [];
  const show = (prompt: string | null) => (prompt === null ? 'none' : JSON.stringify(prompt.slice(0, 60)));
  return evidence.suites.map(({ kind, items }) => {
    const asked = new Set(items.map(({ messages }) => systemOf(messages)));
    const strange = [...asked].filter((prompt) => !trained.has(prompt));
    if (strange.length === 0)
      return ok('system-prompt', `${kind}: asked under the system prompt of the training`);
    return warning(
      'system-prompt',
      `${kind}: asked under ${count(strange.length, 'system prompt')} that no training row has`,
      'an adapter may act only under the prompt it was trained with: set data.systemPrompt and the suite’s systemPrompt alike, unless the difference is what you measure',
      {
        details: [
          `trained: ${[...trained].map(show).join(', ')}`,
          `asked: ${[...asked].map(show).join(', ')}`,
        ],
      },
    );
  });
}

/** Prompts that leave no room for an answer, or may have it cut off. */
export function checkLengths(evidence: Evidence): Finding[] {
  const { base, config } = evidence;
  if (!base) return [];
  const { countTokens: tokens, shape } = base;
  const prompts = askedPrompts(evidence).map((asked) => ({ ...asked, tokens: tokens(asked.messages, true) }));
  const over = prompts.filter((prompt) => prompt.tokens >= shape.contextLength);
  const tight = prompts.filter((prompt) => prompt.tokens + prompt.maxTokens > shape.contextLength);
  const limit = Math.min(config.training.maxLength, shape.contextLength);
  const rows = trainingRows(evidence).map(({ id, messages }) => ({ id, tokens: tokens(messages, false) }));
  const cut = rows.filter((row) => row.tokens > limit);
  const longest = Math.max(0, ...prompts.map((prompt) => prompt.tokens));
  const findings: Finding[] = [];
  if (over.length > 0)
    findings.push(
      problem(
        'length',
        `${count(over.length, 'prompt')} of ${prompts.length} do not fit the context of ${shape.contextLength} tokens`,
        'shorten or leave out these prompts',
        {
          details: over.map((prompt) => `${prompt.name}: ${prompt.tokens} tokens`),
        },
      ),
    );
  if (tight.length > over.length)
    findings.push(
      warning(
        'length',
        `${count(tight.length - over.length, 'prompt')} leave less than maxTokens of the context of ${shape.contextLength} for the answer`,
        'lower maxTokens of the suite: these answers may be cut at the context’s end',
        {
          details: tight
            .filter((prompt) => !over.includes(prompt))
            .map((prompt) => `${prompt.name}: ${prompt.tokens} + ${prompt.maxTokens} tokens`),
        },
      ),
    );
  if (cut.length > 0)
    findings.push(
      warning(
        'length',
        `${count(cut.length, 'training row')} of ${rows.length} are longer than ${limit} tokens and will be cut`,
        'raise training.maxLength if the context allows it, or shorten the rows',
        {
          details: cut.map((row) => `row ${row.id}: ${row.tokens} tokens`),
        },
      ),
    );
  if (findings.length > 0) return findings;
  return [
    ok(
      'length',
      `the longest prompt has ${longest} tokens, the context ${shape.contextLength}; no training row is cut`,
    ),
  ];
}
