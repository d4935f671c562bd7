import type { Conversation } from './conversation.ts';
import type { LanguageModel } from './model.ts';
import type { Progress } from './progress.ts';
import type { Suite } from './suite.ts';

/** What is known of many prompts once a model has rendered them: their texts are not kept. */
export interface RenderedPrompts {
  /** In the prompts' order. */
  readonly tokenCounts: Uint32Array;
  /** Of the text, in lower-case hex. */
  sha256(prompt: number): string;
}

const atOnce = 1024;

interface Known {
  readonly render: LanguageModel['render'];
  readonly rendered: RenderedPrompts;
}
/** The latest by the list of prompts. */
const known = new WeakMap<object, Known>();

/** What a model of the very same `render` was asked last is not asked again. `onRendered`: told how many are done. */
export async function renderPrompts(
  model: Pick<LanguageModel, 'render'>,
  prompts: readonly { readonly messages: Conversation }[],
  onRendered?: (done: number) => void,
): Promise<RenderedPrompts> {
  const before = known.get(prompts);
  if (before?.render === model.render) return before.rendered;
  const tokenCounts = new Uint32Array(prompts.length);
  const hashes = Buffer.alloc(32 * prompts.length);
  for (let start = 0; start < prompts.length; start += atOnce) {
    const part = prompts.slice(start, start + atOnce);
    const rendered = await model.render(part.map(({ messages }) => messages));
    for (const [at, { tokenCount, sha256 }] of rendered.entries()) {
      tokenCounts[start + at] = tokenCount;
      hashes.write(sha256, 32 * (start + at), 'hex');
    }
    onRendered?.(start + rendered.length);
  }
  const sha256 = (prompt: number) => hashes.toString('hex', 32 * prompt, 32 * (prompt + 1));
  known.set(prompts, { render: model.render, rendered: { tokenCounts, sha256 } });
  return { tokenCounts, sha256 };
}

/** A suite's prompts as the untouched model reads them. */
export interface SuitePrompts extends RenderedPrompts {
  readonly suite: Suite;
}

const quietMs = 2000;

/** Every suite's; many prompts take a tokenizer its time, which is told of once it is long. */
export async function renderSuites(
  base: LanguageModel,
  suites: readonly Suite[],
  onProgress?: (progress: Progress) => void,
): Promise<SuitePrompts[]> {
  const rendered: SuitePrompts[] = [];
  const total = suites.reduce((sum, { items }) => sum + items.length, 0);
  const started = performance.now();
  let before = 0;
  const tell = (done: number) => {
    if (performance.now() - started > quietMs)
      onProgress?.({ stage: 'read', label: 'prompts', done: before + done, total, unit: 'prompts' });
  };
  for (const suite of suites) {
    rendered.push({ suite, ...(await renderPrompts(base, suite.items, tell)) });
    before += suite.items.length;
  }
  return rendered;
}
