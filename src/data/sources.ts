/**
 * Public data sets that `aftertune data get` knows by name. Addresses, revisions, hashes and names of columns only:
 * nothing of what is in them.
 */
export interface DataSource {
  readonly title: string;
  /** Where its authors describe it. */
  readonly page: string;
  readonly origin:
    | { readonly kind: 'web'; readonly url: string }
    | { readonly kind: 'hub'; readonly repository: string; readonly path: string };
  /** A commit. */
  readonly revision: string;
  /** Of the file at that revision; null: what comes first is recorded, and anything else refused from then on. */
  readonly sha256: string | null;
  /** More than this is not it. */
  readonly largestBytes: number;
  readonly licence: string;
  /** What its authors ask of whoever downloads it; null: nothing. */
  readonly gate: string | null;
  readonly warning: string;
  /** What a config can use it for. */
  readonly use: string;
  /** Our columns → the file's; `a.b` is the member b of a. */
  readonly columns: Readonly<Record<string, string>>;
}

export type DataSources = Readonly<Record<string, DataSource>>;

const harmfulRequests =
  'Requests for harmful acts, some of them graphic. They are for measuring refusals; do not publish them or answers to them.';
const mebibyte = 1 << 20;

/** Source: the revisions and hashes are listed in SOURCES.md with who states them. */
export const dataSources: DataSources = {
  harmbench: {
    title: 'HarmBench, text behaviours (400)',
    page: 'https://github.com/centerforaisafety/HarmBench',
    origin: {
      kind: 'web',
      url: 'https://raw.githubusercontent.com/centerforaisafety/HarmBench/8e1604d1171fe8a48d8febecd22f600e462bdcdd/data/behavior_datasets/harmbench_behaviors_text_all.csv',
    },
    revision: '8e1604d1171fe8a48d8febecd22f600e462bdcdd',
    sha256: '8d81accedd38eaaf8b760618622bb888417d1fd0c86eba65c427a16f1cbb4afc',
    largestBytes: mebibyte,
    licence: 'MIT',
    gate: null,
    warning: harmfulRequests,
    use: 'suites.harm.prompts',
    columns: {
      id: 'BehaviorID',
      prompt: 'Behavior',
      context: 'ContextString',
      functionalCategory: 'FunctionalCategory',
      category: 'SemanticCategory',
    },
  },
  jailbreakbench: {
    title: 'JailbreakBench, harmful behaviours (100)',
    page: 'https://huggingface.co/datasets/JailbreakBench/JBB-Behaviors',
    origin: { kind: 'hub', repository: 'JailbreakBench/JBB-Behaviors', path: 'data/harmful-behaviors.csv' },
    revision: '886acc352a31533ffbcf4ef22c744658688086fc',
    sha256: '4a8ec6832056b631eb092dccc60d37a61c3d441268268888b3d006288afeffa1',
    largestBytes: mebibyte,
    licence: 'MIT',
    gate: null,
    warning: harmfulRequests,
    use: 'suites.harm.prompts',
    columns: { id: 'Index', prompt: 'Goal', category: 'Category' },
  },
  xstest: {
    title: 'XSTest (250 harmless prompts, 200 contrasts)',
    page: 'https://github.com/paul-rottger/xstest',
    origin: {
      kind: 'web',
      url: 'https://raw.githubusercontent.com/paul-rottger/xstest/d7bb5bd738c1fcbc36edd83d5e7d1b71a3e2d84d/xstest_prompts.csv',
    },
    revision: 'd7bb5bd738c1fcbc36edd83d5e7d1b71a3e2d84d',
    sha256: '11783fb294ed017473ee53c207d71f2161c7672c8d0b037501e78387f801cb5a',
    largestBytes: mebibyte,
    licence: 'CC BY 4.0: name its authors (Röttger et al. 2024)',
    gate: null,
    warning: 'Harmless prompts with alarming words, and contrasts to them that are harmful.',
    use: 'suites.overRefusal.prompts',
    columns: { id: 'id', prompt: 'prompt', type: 'type', label: 'label' },
  },
  'or-bench': {
    title: 'OR-Bench, the hard subset (1319)',
    page: 'https://huggingface.co/datasets/bench-llm/or-bench',
    origin: { kind: 'hub', repository: 'bench-llm/or-bench', path: 'or-bench-hard-1k.csv' },
    revision: 'e36d8b80e81837c8a8f264bbb2a49f1b32c7e272',
    sha256: 'a6e2f1166416efe5901f3bb05c47dc92ab3aca3acfe143693d38b8057d841e6d',
    largestBytes: mebibyte,
    licence: 'CC BY 4.0: name its authors (Cui et al. 2024)',
    gate: null,
    warning: 'Prompts made to sound harmful; some readers find them upsetting.',
    use: 'suites.overRefusal.prompts',
    columns: { prompt: 'prompt', category: 'category' },
  },
  triviaqa: {
    title: 'TriviaQA, rc.nocontext, validation (17,944)',
    page: 'https://huggingface.co/datasets/mandarjoshi/trivia_qa',
    origin: {
      kind: 'hub',
      repository: 'mandarjoshi/trivia_qa',
      path: 'rc.nocontext/validation-00000-of-00001.parquet',
    },
    revision: '0f7faf33a3908546c6fd5b73a660e0f8ff173c2f',
    sha256: '48a5005c0eb4f8a4ae5b9868644297fd5bf1e694aeb3dc9c8ab958cac0d5b201',
    largestBytes: 32 * mebibyte,
    licence: 'none stated: its authors own neither the questions nor the documents',
    gate: null,
    warning: 'Questions of trivia quizzes, as they were collected from the web.',
    use: 'questions with answers; suites.drift also needs a wrong_answer and a context for each, which it does not have',
    columns: {
      id: 'question_id',
      question: 'question',
      true_answer: 'answer.value',
      aliases: 'answer.aliases',
    },
  },
  'llm-lat': {
    title: 'LLM-LAT harmful-dataset (preference rows)',
    page: 'https://huggingface.co/datasets/LLM-LAT/harmful-dataset',
    origin: {
      kind: 'hub',
      repository: 'LLM-LAT/harmful-dataset',
      path: 'data/train-00000-of-00001.parquet',
    },
    revision: '8bfba31bc6d93a5b71808fee5275ef4b6330ed91',
    sha256: '51a41eaebf21eabec33ea90366d01d5bee7edb933d439c7017ad6e0107a645b1',
    largestBytes: 64 * mebibyte,
    licence: 'none declared: ask its authors before you use it for more than research of your own',
    gate: null,
    warning:
      'Requests for harmful acts with answers that comply. A model trained on the rejected ones does harm: never ship it.',
    use: 'data.preference',
    columns: { prompt: 'prompt', chosen: 'chosen', rejected: 'rejected' },
  },
};

/** What a reader is given: CSV as it came, since readers know its columns; anything else as JSON lines of our columns. */
export function readableName(name: string, { origin }: DataSource): string {
  return originalName(origin).endsWith('.csv') ? originalName(origin) : `${name}.jsonl`;
}

/** The file's own name. */
export function originalName(origin: DataSource['origin']): string {
  const path = origin.kind === 'web' ? new URL(origin.url).pathname : origin.path;
  return path.split('/').at(-1)!;
}
