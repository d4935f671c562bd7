import { AuditError } from '../errors.ts';
import { ggufParts } from '../files.ts';
import { formatHubName, type HubName, leavesFolder } from './name.ts';

export type HubKind = 'model' | 'adapter';

/** Taken where they are there; `weights` are chosen apart. */
const companions: Record<HubKind, RegExp> = {
  model:
    /^(config|generation_config|tokenizer[\w.-]*|special_tokens_map|added_tokens)\.json$|^chat_template\.jinja$/,
  adapter: /^(adapter_config|tokenizer_config)\.json$|^chat_template\.jinja$/,
};
const description: Record<HubKind, string> = { model: 'config.json', adapter: 'adapter_config.json' };

/**
 * Which files of a repository a model or an adapter is made of; the rest (other formats, other precisions, training
 * states) is not fetched.
 * @param listed every path of the repository.
 * @param readIndex gives the text of the weights' index, which is one of the files.
 * @throws AuditError `model` or `adapter` when what is needed is not there or an index names files elsewhere.
 */
export async function neededFiles(
  name: HubName,
  kind: HubKind,
  listed: ReadonlySet<string>,
  readIndex: (path: string) => Promise<string>,
): Promise<string[]> {
  if (name.path.endsWith('.gguf')) {
    const parts = ggufParts(name.path);
    const missing = parts.find((part) => !listed.has(part));
    if (missing === undefined) return parts;
    throw lacks(name, kind, missing, listed);
  }
  const folder = name.path && `${name.path}/`;
  const own = [...listed].filter((path) => path.startsWith(folder)).map((path) => path.slice(folder.length));
  const has = (file: string) => listed.has(folder + file);
  const files = own.filter((file) => companions[kind].test(file));
  if (!has(description[kind])) throw lacks(name, kind, folder + description[kind], listed);
  const [single, index] =
    kind === 'model'
      ? ['model.safetensors', 'model.safetensors.index.json']
      : ['adapter_model.safetensors', ''];
  if (has(single)) files.push(single);
  else if (index && has(index)) {
    const parts = partsOf(name, folder + index, await readIndex(folder + index));
    const missing = parts.find((part) => !has(part));
    if (missing) throw lacks(name, kind, folder + missing, listed);
    files.push(index, ...parts);
  } else throw lacks(name, kind, folder + single, listed);
  return files.map((file) => folder + file).sort();
}

/** The weight files that an index names: files beside it, nothing else. */
function partsOf(name: HubName, path: string, text: string): string[] {
  let map: unknown;
  try {
    map = (JSON.parse(text) as { weight_map?: unknown } | null)?.weight_map;
  } catch {
    // said below
  }
  const parts = [...new Set(Object.values((map ?? {}) as object) as unknown[])];
  const bad = parts.filter(
    (part) =>
      typeof part !== 'string' || part.includes('/') || leavesFolder(part) || !part.endsWith('.safetensors'),
  );
  if (parts.length > 0 && bad.length === 0) return parts as string[];
  throw new AuditError('model', `${formatHubName(name)}: ${path} is no index of weights`, {
    problems: bad.map((part) => `${JSON.stringify(part)} is not a safetensors file of the same folder`),
    hint: 'nothing of it was fetched: take another revision, or tell the repository’s owner',
  });
}

function lacks(name: HubName, kind: HubKind, path: string, listed: ReadonlySet<string>): AuditError {
  const like = (pattern: RegExp) => [...listed].filter((other) => pattern.test(other)).sort();
  const [ggufs, adapters, pickles] = [/\.gguf$/, /(^|\/)adapter_config\.json$/, /\.(bin|pth?)$/].map(like);
  const root = formatHubName({ ...name, path: '' });
  const example = (file: string) => formatHubName({ ...name, path: file });
  let hint = `see what is there with its page on the Hub, or name another revision or folder: ${root}:FOLDER`;
  if (kind === 'model' && ggufs!.length > 0) hint = `it has ${ggufs!.map(example).slice(0, 12).join(', ')}`;
  else if (adapters!.length > 0 && kind === 'model')
    hint = `it holds an adapter: name its base as the model and ${root} as an arm's adapter`;
  else if (adapters!.length > 0)
    hint = `adapters are in ${adapters!
      .map((file) => example(file.replace(/\/?adapter_config\.json$/, '')))
      .slice(0, 12)
      .join(', ')}`;
  else if (pickles!.length > 0)
    hint = `only safetensors weights are read: convert ${pickles![0]} with Python’s save_pretrained`;
  return new AuditError(kind, `${root}: has no ${path}`, { hint });
}
