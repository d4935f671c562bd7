import { AuditError } from '../errors.ts';

/** What `hf:owner/name@revision:path` stands for. */
export interface HubName {
  /** `owner/name`. */
  readonly repository: string;
  /** A branch, a tag or a commit; `main` unless given. */
  readonly revision: string;
  /** A .gguf file or a folder of the repository; empty: the repository's root. */
  readonly path: string;
}

const form = 'hf:OWNER/NAME, hf:OWNER/NAME@REVISION or hf:OWNER/NAME@REVISION:FILE.gguf';
const repositoryPattern = /^(?:[A-Za-z0-9_][\w.-]{0,95}\/)?[A-Za-z0-9_][\w.-]{0,95}$/;
const revisionPattern = /^[\w.][\w.+/-]{0,199}$/;

/** Whether a model or an adapter is named on the Hugging Face Hub instead of by a local path. */
export function isHubName(text: string): boolean {
  return text.startsWith('hf:');
}

/** Whether a revision names one commit, which never changes: 40 hexadecimal digits. */
export function isCommit(revision: string): boolean {
  return /^[0-9a-f]{40}$/.test(revision);
}

/** @throws AuditError `config` saying what is wrong with the name. */
export function parseHubName(text: string): HubName {
  const [, repository = '', revision = 'main', path = ''] =
    /^hf:([^@:]*)(?:@([^:]*))?(?::(.*))?$/s.exec(text) ?? [];
  const problem = problemOf({ repository, revision, path }, text);
  if (problem) throw new AuditError('config', `${text}: ${problem}`, { hint: `expected ${form}` });
  return { repository, revision, path };
}

/** What is wrong with a Hub name; null when nothing is, or when it is a local path. */
export function hubNameProblem(text: string): string | null {
  if (!isHubName(text)) return null;
  try {
    parseHubName(text);
    return null;
  } catch (error) {
    return `${(error as AuditError).message.slice(text.length + 2)}; ${(error as AuditError).hint}`;
  }
}

function problemOf({ repository, revision, path }: HubName, text: string): string | null {
  if (!repositoryPattern.test(repository) || /--|\.\.|\.git$|[.-](?:\/|$)/.test(repository))
    return 'is not the name of a repository';
  if (!revisionPattern.test(revision) || leavesFolder(revision)) return 'is not the name of a revision';
  if (text.endsWith(':') || (path !== '' && leavesFolder(path))) return 'is not a file of the repository';
  return null;
}

/** The name with everything spelt out. */
export function formatHubName({ repository, revision, path }: HubName): string {
  return `hf:${repository}@${revision}${path && `:${path}`}`;
}

/**
 * Whether a path from elsewhere is anything but a plain relative one: absolute, with a drive letter, a backslash,
 * a control character, or an empty, `.` or `..` part.
 */
export function leavesFolder(path: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return /[\\\u0000-\u001f]|^[A-Za-z]:/.test(path) || path.split('/').some((part) => /^\.{0,2}$/.test(part));
}

/** For people and for comparing: `owner/name` of a Hub name or of a folder in the Hub's cache; another path as it is. */
export function repositoryOf(path: string): string {
  if (isHubName(path)) return parseHubName(path).repository;
  const cached = /(?:^|\/)models--([^/]+)\/snapshots\/[0-9a-f]{40}(?:\/|$)/.exec(path);
  return cached ? cached[1]!.replaceAll('--', '/') : path;
}
