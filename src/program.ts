import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import type { Context, Outcome } from './commands/verb.ts';
import { packageRoot } from './files.ts';

/** The verbs and their flags. Whatever is heavy is imported when a verb needs it. */

/** What a verb stands for. */
export type Verb = (commands: typeof import('./commands.ts'), context: Context) => Outcome | Promise<Outcome>;

const runFlags = (command: Command) =>
  command
    .option('--out <folder>', 'the run folder')
    .option('--seed <n>', 'of data order, training and sampling', wholeNumber)
    .option('--limit <n>', 'use this many items of every suite', wholeNumber)
    .option('--set <key=value>', 'replace a value of the config, as in training.steps=100', collect, []);

const freshFlag = (command: Command) => command.option('--fresh', 'start over instead of resuming');

/** The verbs; `perform` runs what a verb stands for. */
export function createProgram(perform: (verb: Verb, json: boolean) => Promise<void>): Command {
  const program = new Command('aftertune')
    .description('What a fine-tune did to a language model’s safety and truthfulness.')
    .version(version(), '--version')
    .showSuggestionAfterError()
    .addHelpText(
      'after',
      '\nExit codes: 0 pass, 1 runtime error, 2 regression, 3 usage or config, 4 inconclusive, 130 interrupted.',
    );
  const verb = (usage: string, description: string) =>
    program
      .command(usage)
      .description(description)
      .option('--json', 'print one JSON document on stdout and nothing else');

  runFlags(
    verb('demo', 'the whole experiment on the embedded model, in runs/demo (replaced each time)'),
  ).action((flags) => perform((commands, context) => commands.demo(flags, context), flags.json));
  verb('init', 'write a config with every key explained')
    .argument('[file]', 'where to', 'aftertune.yaml')
    .action((file, flags) => perform((commands) => commands.init(file), flags.json));
  runFlags(verb('doctor', 'look at a config before it is run: data, templates, overlap, power, cost'))
    .argument('<config>', 'a YAML file')
    .option('--preset <name>', 'smoke, standard or paper')
    .option('--probe', 'also load the models: do adapters act, does the judge know what is known')
    .action((config, flags) =>
      perform(
        async (_, context) => (await import('./commands/doctor.ts')).doctor(config, flags, context),
        flags.json,
      ),
    );
  freshFlag(runFlags(verb('run', 'a whole audit from a config; resumes where it was left')))
    .argument('<config>', 'a YAML file')
    .option('--preset <name>', 'smoke, standard or paper')
    .option('--repeat <k>', 'variance budget of harm: ask everything so often', wholeNumber)
    .option('--templates <file|n>', 'and under so many wordings, or those of a file, a line each')
    .option('--seeds <a,b>', 'and under these seeds beside the run’s own')
    .option('--dry-run', 'print plan, requests, tokens and hours; ask nothing of anybody')
    .action((config, flags) =>
      perform(
        async (commands, context) =>
          flags.dryRun
            ? (await import('./commands/dry-run.ts')).dryRun(config, flags)
            : commands.run(config, flags, context),
        flags.json,
      ),
    );
  freshFlag(runFlags(verb('train', 'train the arms of a config and stop; run uses the adapters')))
    .argument('<config>', 'a YAML file')
    .option('--preset <name>', 'smoke, standard or paper')
    .option('--arm <name...>', 'only these')
    .action((config, flags) =>
      perform((commands, context) => commands.train(config, flags, context), flags.json),
    );
  freshFlag(runFlags(verb('audit', 'evaluate fine-tunes that exist already')))
    .option(
      '--base <model>',
      'what they were tuned from: a folder or hf:OWNER/NAME; the embedded one unless given',
    )
    .option('--adapter <adapter>', 'PEFT: a folder or hf:OWNER/NAME; may be given several times', collect, [])
    .option('--config <file>', 'take prompts, judges and gate from a config')
    .option('--preset <name>', 'smoke, standard or paper')
    .option('--harm <file>', 'prompts that ought to be refused (CSV or JSONL)')
    .option('--over-refusal <file>', 'harmless prompts')
    .option('--questions <file>', 'knowledge questions')
    .option('--judge-model <model>', 'a Llama Guard model: a folder or hf:OWNER/NAME')
    .option('--judge-adapter <adapter>', 'its adapter')
    .action((flags) => perform((commands, context) => commands.auditAdapters(flags, context), flags.json));
  freshFlag(verb('import', 'make a run of what another tool recorded'))
    .option('--arm <name=file>', 'an arm and its file; may be given several times', collect, [])
    .option('--base-arm <name>', 'what the others are compared with; the first arm unless given')
    .option('--out <folder>', 'the run folder')
    .option(
      '--format <name>',
      'auto, inspect, promptfoo, jailbreakbench, harmbench, lm-eval or garak',
      'auto',
    )
    .option('--unsafe-score <score>', 'the score that means a harmful answer (I, 0, fail …): a harm suite')
    .option('--behaviors <file>', 'HarmBench’s CSV of behaviours, for their categories')
    .option('--own-prompts', 'arms may be asked one item with prompts of their own, as attacks do')
    .action((flags) =>
      perform(
        async (_, context) => (await import('./commands/import.ts')).importOutcomes(flags, context),
        flags.json,
      ),
    );
  verb('judge', 'have further judges label the answers of a finished run')
    .argument('<run>', 'a run folder')
    .option('--config <file>', 'take the judges of a config, or of a file that holds judges: alone')
    .option('--judge <yaml>', 'a judge: a type, or a table as in a config; may be repeated', collect, [])
    .option('--first', 'the new judges come first: the first one counts')
    .action((run, flags) =>
      perform(
        async (_, context) => (await import('./commands/judge.ts')).judge(run, flags, context),
        flags.json,
      ),
    );
  verb('report', 'write the report of a finished run anew')
    .argument('<run>', 'a run folder')
    .option('--show-completions', 'also print harmful completions')
    .addOption(
      new Option('--format <name>', 'one document instead, on standard output').choices([
        'md',
        'html',
        'json',
        'csv',
        'parquet',
        'junit',
      ]),
    )
    .option('--out <file>', 'where to, with --format')
    .action((run, flags) =>
      perform(
        async (_, context) => (await import('./commands/report.ts')).report(run, flags, context),
        flags.json,
      ),
    );
  verb('export', 'every answer of a run with its verdicts, a row each')
    .argument('<run>', 'a run folder, finished or not')
    .addOption(
      new Option('--format <name>', 'of the rows').choices(['jsonl', 'csv', 'parquet']).default('jsonl'),
    )
    .option('--out <file>', 'where to; standard output unless given')
    .option('--show-completions', 'also harmful completions and the prompts that asked for them')
    .action((run, flags) =>
      perform(
        async (_, context) => (await import('./commands/export.ts')).exportRun(run, flags, context),
        flags.json,
      ),
    );
  verb('replay', 'analyse recorded outcomes without any model, beside the figures printed of them')
    .argument('<outcomes>', 'a folder of outcomes, a run folder, or `paper`: those of arXiv 2409.19476')
    .option('--published <file>', 'printed figures to compare; published.json of the folder unless given')
    .option('--out <folder>', 'also write report.md and report.html')
    .action((source, flags) =>
      perform(
        async (_, context) => (await import('./commands/replay.ts')).replay(source, flags, context),
        flags.json,
      ),
    );
  verb(
    'gate',
    'hold a finished run to a policy, from its records alone; writes junit.xml, gate.md and gate.json',
  )
    .argument('<run>', 'a run folder')
    .option('--policy <file>', 'YAML: margins, caps, required metrics; the run’s own gate unless given')
    .option('--out <folder>', 'where to; gate/ in the run folder unless given')
    .action((run, flags) =>
      perform(
        async (_, context) => (await import('./commands/gate.ts')).gate(run, flags, context),
        flags.json,
      ),
    );
  verb('adjudicate', 'have people label a sample of completions, and correct the judges’ rates by it')
    .argument('<run>', 'a run folder')
    .option(
      '--n <items>',
      'expected size of the sample; more than before adds to it (default: 100)',
      wholeNumber,
    )
    .option('--export <file>', 'write what is open as CSV, completions in full')
    .option('--import <file>', 'take the labels of such a file')
    .option('--labeller <name>', 'who labels')
    .action((run, flags) =>
      perform(
        async (_, context) => (await import('./commands/adjudicate.ts')).adjudicate(run, flags, context),
        flags.json,
      ),
    );
  verb('compare', 'arms of two runs against each other, paired by item; refuses what must not be compared')
    .argument('<first>', 'a run folder')
    .argument('<second>', 'a run folder')
    .option('--arm <name>', 'NAME, or FIRST=SECOND; may be given several times', collect, [])
    .option(
      '--factor <name>',
      'what is under test and may differ: model, template, decoding, judge, prompts, random-context-seed',
      collect,
      [],
    )
    .action((first, second, flags) =>
      perform(async () => (await import('./commands/compare.ts')).compare(first, second, flags), flags.json),
    );
  verb('view', 'look at runs in a browser: reports, a run while it goes on, two compared, answers to label')
    .argument('[run...]', 'run folders, or folders that hold some; runs unless given')
    .option('--port <n>', 'listen there; a free port unless given', wholeNumber)
    .option('--host <address>', 'listen on another address than 127.0.0.1: others can then reach it')
    .option('--no-open', 'print the address without opening a browser')
    .option('--labeller <name>', 'who labels')
    .action((runs, flags) =>
      perform(
        async (_, context) => (await import('./commands/view.ts')).view(runs, flags, context),
        flags.json,
      ),
    );
  verb('merge', 'write the checkpoint that a base and an adapter make together')
    .requiredOption('--base <model>', 'a folder or hf:OWNER/NAME')
    .requiredOption('--adapter <adapter>', 'a PEFT folder or hf:OWNER/NAME')
    .requiredOption('--out <folder>', 'where to: a new folder, or an earlier merged model')
    .option('--acknowledge-red-team', 'merge an adapter that was trained to do harm')
    .action((flags) => perform((commands, context) => commands.merge(flags, context), flags.json));
  verb('serve', 'answer OpenAI’s protocols with a model and its adapters, on this machine')
    .requiredOption('--model <model>', 'a folder, hf:OWNER/NAME or builtin:wren')
    .option('--name <name>', 'what the base is called; its folder’s name unless given')
    .option('--adapter <name=folder>', 'PEFT: a model of that name; may be repeated', collect, [])
    .option('--batch-invariant', 'answer the same to the last bit whoever else asks; slower')
    .option('--port <n>', '0 for any free one', wholeNumber, 8000)
    .option('--host <address>', 'any but loopback needs AFTERTUNE_SERVE_KEY in the environment', '127.0.0.1')
    .action((flags) =>
      perform(
        async (_, context) => (await import('./commands/serve.ts')).serve(flags, version(), context),
        flags.json,
      ),
    );
  verb('data', 'fetch public data sets by name, after showing their terms, or list them')
    .addArgument(new Argument('<action>', 'what to do').choices(['get', 'list']))
    .argument('[name]', 'which, for get: list shows the names')
    .option('--yes', 'accept the terms that are shown')
    .option('--from <file>', 'take a file that was downloaded by hand')
    .action((action, name, flags) =>
      perform(
        async (_, context) => (await import('./commands/data.ts')).data(action, name, flags, context),
        flags.json,
      ),
    );
  verb('list', 'the runs in a folder, with their status')
    .argument('[folder]', 'where', 'runs')
    .action((folder, flags) => perform((commands) => commands.list(folder), flags.json));
  return program;
}

function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('expected a whole number.');
  return Number(text);
}

function collect(value: string, earlier: readonly string[]): string[] {
  return [...earlier, value];
}

function version(): string {
  const manifest = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { version: string };
  return manifest.version;
}
