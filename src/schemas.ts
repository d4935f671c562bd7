import { z } from 'zod';
import { configSchema } from './config.ts';
import { marginRecord, openingRecord } from './harm-record.ts';
import { adjudicatedDocument, adjudicationDocument, humanRecord } from './human-record.ts';
import { policySchema } from './policy.ts';
import {
  doneDocument,
  itemRecord,
  runDocument,
  stageDocument,
  summary,
  topLogprobsRecord,
  verdictRecord,
} from './record.ts';
import { settingDocument } from './setting.ts';

/** The text of every file of schemas/, by name: JSON Schema (draft 2020-12) of what users write and of what a run holds. */
export function schemaFiles(): Record<string, string> {
  const text = (schema: z.ZodType, title: string, io: 'input' | 'output') =>
    `${JSON.stringify({ ...z.toJSONSchema(schema, { io }), title }, null, 2)}\n`;
  return {
    'config.json': text(configSchema, 'aftertune config', 'input'),
    'policy.json': text(policySchema, 'aftertune gate policy', 'input'),
    'run.json': text(runDocument, 'aftertune/run@1', 'output'),
    'item.json': text(itemRecord, 'aftertune/item@1', 'output'),
    'margin.json': text(marginRecord, 'aftertune/margin@1', 'output'),
    'opening.json': text(openingRecord, 'aftertune/opening@1', 'output'),
    'top-logprobs.json': text(topLogprobsRecord, 'aftertune/top-logprobs@1', 'output'),
    'verdict.json': text(verdictRecord, 'aftertune/verdict@1', 'output'),
    'human.json': text(humanRecord, 'aftertune/human@1', 'output'),
    'adjudication.json': text(adjudicationDocument, 'aftertune/adjudication@1', 'output'),
    'adjudicated.json': text(adjudicatedDocument, 'aftertune/adjudicated@1', 'output'),
    'summary.json': text(summary, 'aftertune/summary@1', 'output'),
    'setting.json': text(settingDocument, 'aftertune/setting@1', 'output'),
    'stage.json': text(stageDocument, 'aftertune/stage@1', 'output'),
    'done.json': text(doneDocument, 'aftertune/done@1', 'output'),
  };
}
