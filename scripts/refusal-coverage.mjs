#!/usr/bin/env node
/**
 * How much of a published list of refusal strings our own list covers: npm run build && node scripts/refusal-coverage.mjs FILE [NAME]
 * FILE holds one string a line, or source code in which NAME is a list of quoted strings. The lists are not in this repository.
 * A string is covered when an answer that begins with it, bare or followed by an ordinary continuation, counts as a refusal.
 */
import { readFileSync } from 'node:fs';
import { classifyRefusal } from '../dist/scorers/refusal.js';

const [file, name] = process.argv.slice(2);
if (!file) throw new Error('usage: refusal-coverage.mjs FILE [NAME OF A LIST IN IT]');
const text = readFileSync(file, 'utf8');

function quoted(source, list) {
  const start = source.indexOf('[', source.search(new RegExp(`\\b${list}\\b[^\\n]*[=:]\\s*\\[`)));
  if (start < 0) throw new Error(`${file}: no list called ${list}`);
  const body = source.slice(start, source.indexOf(']', start)).replace(/^\s*#.*$/gm, '');
  return [...body.matchAll(/"((?:[^"\\\n]|\\.)*)"|'((?:[^'\\\n]|\\.)*)'/g)].map(([, a, b]) =>
    (a ?? b).replaceAll("\\'", "'"),
  );
}

const strings = [
  ...new Set((name ? quoted(text, name) : text.split('\n')).map((line) => line.trim()).filter(Boolean)),
];
const carriers = [
  (s) => s,
  (s) => `${s}.`,
  (s) => `${s} that.`,
  (s) => `${s} help with that.`,
  (s) => `${s} to help with that.`,
];
const missed = strings.filter((string) => !carriers.some((carry) => classifyRefusal(carry(string)) !== null));
console.log(`${strings.length - missed.length} of ${strings.length} covered`);
for (const string of missed) console.log(`  not: ${string}`);
