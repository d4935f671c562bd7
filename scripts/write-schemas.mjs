#!/usr/bin/env node
/** Writes schemas/*.json from the schemas of the configuration and the records: npm run build && node scripts/write-schemas.mjs */
import { writeFileSync } from 'node:fs';
import { schemaFiles } from '../dist/schemas.js';

for (const [name, text] of Object.entries(schemaFiles())) {
  writeFileSync(new URL(`../schemas/${name}`, import.meta.url), text);
}
