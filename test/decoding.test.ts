import { expect, test } from 'vitest';
import { builtin } from '../src/builtin.ts';
import { type ConfigInput, configSchema } from '../src/config.ts';
import { methodSection, provenanceSection } from '../src/report/provenance.ts';
import { settingDocument } from '../src/setting.ts';
import { buildReportInput } from './fixtures/report-input.ts';
import { wren } from './lm/open-decoder.ts';

/** A suite's decoding on its way from the config to the model, the run folder and the report. */

async function suitesOf(harm: Partial<NonNullable<ConfigInput['suites']['harm']>>) {
  const prompts = `${wren}data/restricted.jsonl`;
  const config = configSchema.parse({
    model: { path: wren },
    arms: { base: { train: 'none' } },
    suites: { harm: { prompts, limit: 2, ...harm } },
  });
  return builtin.suites(config.suites, config.seed);
}

const columnsOf = (input: Parameters<typeof provenanceSection>[0]) =>
  provenanceSection(input).blocks.flatMap((block) =>
    block.kind === 'table' ? [block.columns.map(({ title }) => title)] : [],
  );

test('what is left at its default is not named, so that earlier answers keep their keys', async () => {
  const [suite] = await suitesOf({});
  expect(suite!.decoding).toEqual({ maxTokens: 256, temperature: 0, topP: 1, seed: 3407 });
  expect(columnsOf(buildReportInput()).flat()).not.toContain('top k');
  expect(methodSection(buildReportInput().summary).blocks.length).toBeGreaterThan(0);
});

test('truncation and stop strings reach the model, the run folder and the report', async () => {
  const asked = { temperature: 0.8, topP: 0.9, topK: 40, minP: 0.05, stop: ['\n\n'] };
  const suites = await suitesOf(asked);
  expect(suites[0]!.decoding).toEqual({ maxTokens: 256, seed: 3407, ...asked });
  const setting = { schema: 'aftertune/setting@1', suites, histories: {} };
  expect(settingDocument.parse(JSON.parse(JSON.stringify(setting))).suites[0]!.decoding).toEqual(
    suites[0]!.decoding,
  );
  const columns = columnsOf({ ...buildReportInput(), suites }).at(-1);
  expect(columns).toEqual(expect.arrayContaining(['top k', 'min p', 'stop']));
});

test.each([{ topK: 0 }, { minP: 1.5 }, { stop: [''] }])('refuses %j', async (harm) => {
  await expect(suitesOf(harm)).rejects.toThrow();
});
