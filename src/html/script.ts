import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../files.ts';

/** A script that a page holds inline, and the source expression by which its content-security policy allows it alone. */
export interface PageScript {
  readonly text: string;
  /** e.g. `'sha256-…'`, quotes included. */
  readonly source: string;
}

/** The script of src/page by its name (`report`), bundled by scripts/setup.mjs. */
export function pageScript(name: string): PageScript {
  const path = join(packageRoot, 'dist/page', `${name}.js`);
  if (!existsSync(path)) throw new Error(`internal: ${path} is missing: run \`npm run build\``);
  const text = readFileSync(path, 'utf8').trim();
  // In HTML these alone would end or change how the element is read.
  if (/<\/script|<!--/i.test(text)) throw new Error(`internal: ${path} cannot stand in an HTML page`);
  return { text, source: `'sha256-${createHash('sha256').update(text).digest('base64')}'` };
}
