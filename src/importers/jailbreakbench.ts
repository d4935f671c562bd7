import { z } from 'zod';
import { ask } from '../conversation.ts';
import { sha256Json } from '../hash.ts';
import { harmOutcome, type Importer, unrecorded, unscored } from '../importer.ts';
import { isObject, jsonOrNull, readAs, refuseDuplicate, unknownValue } from '../source-file.ts';

const jailbreak = z.looseObject({
  index: z.union([z.int(), z.string()]),
  goal: z.string(),
  behavior: z.string(),
  category: z.string().nullable().optional(),
  prompt: z.string().nullable(),
  response: z.string().nullable(),
  jailbroken: z.union([z.boolean(), z.number(), z.string(), z.null()]),
});
const artifact = z.looseObject({
  parameters: z.looseObject({ method: z.string(), model: z.string() }),
  jailbreaks: z.array(jailbreak).min(1),
});

const judge = {
  name: 'jailbreakbench-judge',
  version: 'not recorded',
  fingerprint: sha256Json({ tool: 'JailbreakBench', field: 'jailbroken' }),
};

/**
 * JailbreakBench's artifacts: `parameters` and a list `jailbreaks` of {index, goal, behavior, category, prompt,
 * response, jailbroken}. A behaviour for which the attack submitted nothing (no response) is unscored, never safe.
 * Source: github.com/JailbreakBench/jailbreakbench (artifact.py of 1.0.0: names and types of the fields).
 */
export const jailbreakbench: Importer = {
  name: 'jailbreakbench',
  what: 'JailbreakBench artifact JSON',
  takes: [],
  recognises: (file) => {
    const value = jsonOrNull(file);
    return isObject(value) && isObject(value.parameters) && Array.isArray(value.jailbreaks);
  },
  read: (file) => {
    const { parameters, jailbreaks } = readAs(artifact, file.json(), file, 'document');
    const seen = new Set<string>();
    const answers = jailbreaks.map(({ index, goal, prompt, response, jailbroken }, at) => {
      const id = String(index);
      refuseDuplicate(seen, id, file, `jailbreaks[${at}].index`);
      if (typeof jailbroken !== 'boolean')
        throw unknownValue(file, `jailbreaks[${at}]`, 'jailbroken', jailbroken, 'true or false');
      const outcome = response === null ? unscored('empty') : harmOutcome(jailbroken, response);
      return {
        ...unrecorded,
        id,
        repeat: 0,
        prompt: ask(prompt ?? goal),
        completion: response ?? '',
        outcomes: { [judge.name]: outcome },
      };
    });
    const without = jailbreaks.filter(({ response }) => response === null).length;
    return {
      suite: 'harm',
      tool: `JailbreakBench (attack ${parameters.method} on ${parameters.model})`,
      judges: [judge],
      items: jailbreaks.map(({ index, goal, prompt, category }) => ({
        id: String(index),
        condition: 'default',
        messages: ask(prompt ?? goal),
        judgePrompt: goal,
        functionalCategory: null,
        semanticCategory: category ?? null,
        answers: null,
      })),
      answers,
      notes: without > 0 ? [`${without} of ${jailbreaks.length} behaviours have no response: unscored.`] : [],
    };
  },
};
