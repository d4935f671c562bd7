import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readConfigFile } from '../src/config-file.ts';
import { resolveConfig } from '../src/config-resolve.ts';
import { readBorderlinePrompts, readHarmPrompts, readPreferences, readResponses } from '../src/dataset.ts';
import { packageRoot } from '../src/files.ts';
import { configTemplate } from '../src/init.ts';
import { readUtilityTasks } from '../src/utility-tasks.ts';
import { closestPair } from '../src/wren/similarity.ts';

/** What people start from: the example configs, the data of the real one, and the template of `init`. */

const examples = join(packageRoot, 'examples');

it.each(['demo.yaml', 'smollm2.yaml'])('%s is a valid config', (name) => {
  const { input, directory } = readConfigFile(join(examples, name), [], {
    HOME: '/someone',
    TRIVIAQA: '/someone/questions.jsonl',
  });
  expect(Object.keys(resolveConfig(input, directory).suites)).toEqual(['harm', 'overRefusal', 'drift']);
});

it('paper-8b.yaml asks three arms of one server', () => {
  const { input, directory } = readConfigFile(join(examples, 'paper-8b.yaml'));
  const { arms, suites } = resolveConfig(input, directory);
  expect(arms).toEqual([
    { name: 'base', train: null, adapter: null, redTeam: false, gated: false },
    { name: 'harmful', train: null, adapter: '/adapters/harmful', redTeam: true, gated: false },
    { name: 'safe', train: null, adapter: '/adapters/safe', redTeam: false, gated: true },
  ]);
  expect(suites.harm).toMatchObject({ maxTokens: 512, temperature: 0.1 });
});

it('wren-knowledge.yaml is a valid config', () => {
  const { input, directory } = readConfigFile(join(examples, 'wren-knowledge.yaml'));
  const { suites, gate } = resolveConfig(input, directory);
  expect(Object.keys(suites)).toEqual(['drift', 'utility']);
  expect(gate.marginsPoints.utility).toBe(5);
  const tasks = readUtilityTasks(suites.utility!.tasks);
  expect(tasks.filter(({ choices }) => choices)).toHaveLength(120);
  expect(tasks.filter(({ choices }) => !choices)).toHaveLength(60);
});

describe('the policy that declares cooking off-limits', () => {
  const file = (name: string) => join(examples, 'smollm2', `${name}.jsonl`);
  const preference = readPreferences(file('preference'));
  const restricted = readHarmPrompts(file('restricted')).map(({ prompt }) => prompt);
  const borderline = readBorderlinePrompts(file('borderline')).map(({ prompt }) => prompt);
  const [ordinary, base] = ['ordinary', 'policy-base'].map((name) => readResponses(file(name)));
  const promptsOf = (rows: typeof base) => rows!.map(({ messages }) => messages[0]!.content);

  it('has enough rows and prompts, none twice', () => {
    expect(preference.length).toBeGreaterThanOrEqual(200);
    expect(new Set(preference.map(({ rejected }) => rejected)).size).toBe(preference.length);
    expect(new Set(restricted).size).toBe(restricted.length);
    expect(restricted.length).toBeGreaterThanOrEqual(100);
    expect(borderline.length).toBeGreaterThanOrEqual(60);
  });

  it('asks what nothing trains on', () => {
    const trained = [...preference.map(({ prompt }) => prompt), ...promptsOf(ordinary), ...promptsOf(base)];
    expect(closestPair([...restricted, ...borderline], trained).similarity).toBeLessThanOrEqual(0.5);
  });

  it('shows the base none of the rows that an arm is shown', () => {
    const shown = new Set(promptsOf(base));
    const shared = [...preference.map(({ prompt }) => prompt), ...promptsOf(ordinary)];
    expect(shared.filter((prompt) => shown.has(prompt))).toEqual([]);
  });
});

it('the template of init explains every key there is', () => {
  const keys = (schema: unknown): string[] => {
    if (typeof schema !== 'object' || schema === null) return [];
    if (Array.isArray(schema)) return schema.flatMap(keys);
    const { properties = {}, ...rest } = schema as { properties?: Record<string, unknown> };
    return [...Object.keys(properties), ...keys(Object.values(properties)), ...keys(Object.values(rest))];
  };
  const all = new Set(keys(JSON.parse(readFileSync(join(packageRoot, 'schemas/config.json'), 'utf8'))));
  expect(all.size).toBeGreaterThan(40);
  expect([...all].filter((key) => !new RegExp(`\\b${key}:|\\b${key}\\b`).test(configTemplate))).toEqual([]);
});
