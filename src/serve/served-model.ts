import type { LanguageModel } from '../model.ts';
import { ServeError } from './problem.ts';

/** A model under the name that requests give. */
export interface ServedModel {
  readonly name: string;
  /** The folder it was read from. */
  readonly root: string;
  /** The base's name, for an adapter; null for the base. */
  readonly parent: string | null;
  readonly model: LanguageModel;
}

/** The body of GET /v1/models, with vLLM's `root`, `parent` and `max_model_len`. */
export function modelList(served: readonly ServedModel[], created: number): object {
  return {
    object: 'list',
    data: served.map(({ name, root, parent, model }) => ({
      id: name,
      object: 'model',
      created,
      owned_by: 'aftertune',
      root,
      parent,
      max_model_len: model.contextLength,
    })),
  };
}

/** @throws ServeError 404 for a name that is not served. */
export function servedModel(served: readonly ServedModel[], name: string): ServedModel {
  const found = served.find((one) => one.name === name);
  if (found) return found;
  const names = served.map((one) => one.name).join(', ');
  throw new ServeError(
    404,
    `no model ${JSON.stringify(name)}; there are ${names}`,
    'not_found_error',
    'model',
  );
}
