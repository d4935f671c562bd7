#!/usr/bin/env node
import { CommanderError } from 'commander';
import { AuditError, exitCode } from './errors.ts';
import { createProgram, type Verb } from './program.ts';

/** argv → verb → exit code; the only file that prints. Whatever is heavy is imported when a verb needs it. */

/** Runs the command line. @returns the exit code. */
async function main(argv: readonly string[]): Promise<number> {
  const json = argv.includes('--json');
  let code: number = exitCode.pass;
  const program = createProgram(async (verb, asJson) => {
    code = await performVerb(verb, asJson === true);
  });
  for (const command of [program, ...program.commands]) {
    command.exitOverride();
    command.configureOutput({ outputError: () => {} });
  }
  try {
    refusePlatform(process.platform);
    if (argv.length === 0) {
      process.stderr.write(program.helpInformation());
      return exitCode.usage;
    }
    await program.parseAsync(argv, { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return exitCode.pass;
    return printError(error, json, argv);
  }
}

/** Runs one verb with progress on stderr and a clean stop on SIGINT and SIGTERM. */
async function performVerb(verb: Verb, json: boolean): Promise<number> {
  const controller = new AbortController();
  const stop = () => {
    if (controller.signal.aborted) process.exit(exitCode.interrupted);
    process.stderr.write('\nstopping; what is finished is kept (once more to stop at once)\n');
    controller.abort();
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  const { createProgressDisplay } = await import('./progress.ts');
  const display = await createProgressDisplay(process.stderr);
  try {
    const commands = await import('./commands.ts');
    const outcome = await verb(commands, {
      onProgress: display.update,
      signal: controller.signal,
      log: (line) => void process.stderr.write(`${line}\n`),
      confirm: (text, question, accepted) => confirm(text, question, accepted, controller.signal),
      terminal:
        process.stdin.isTTY && process.stderr.isTTY && !json
          ? { input: process.stdin, write: (text) => void process.stderr.write(text) }
          : null,
      stdout: { isTerminal: process.stdout.isTTY === true, write: writeStdout },
    });
    display.stop();
    if (outcome.notice) process.stderr.write(`${outcome.notice}\n`);
    process.stdout.write(json ? `${JSON.stringify(outcome.document, null, 2)}\n` : outcome.text);
    try {
      await outcome.finished;
    } catch (error) {
      return printError(error, false, []);
    }
    return outcome.exitCode;
  } finally {
    display.stop();
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  }
}

/** Resolves when the reader has taken the piece, so that no more than one waits. A reader that goes away ends the process, as `head` expects. */
function writeStdout(piece: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(piece, (error) => {
      if (!error) resolve();
      else if ((error as NodeJS.ErrnoException).code === 'EPIPE') process.exit(exitCode.pass);
      else reject(error);
    });
  });
}

/** Asks on a terminal. */
async function confirm(text: string, question: string, accepted: boolean, signal: AbortSignal) {
  process.stderr.write(`${text}\n`);
  if (accepted || !process.stdin.isTTY) return accepted;
  const { createInterface } = await import('node:readline/promises');
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await terminal.question(`${question} [y/N] `, { signal })).trim());
  } finally {
    terminal.close();
  }
}

/** Says what went wrong and the way out. @returns the exit code. */
function printError(error: unknown, json: boolean, argv: readonly string[]): number {
  const shown = describeError(error, argv);
  if (json) process.stdout.write(`${JSON.stringify({ schema: 'aftertune/error@1', ...shown }, null, 2)}\n`);
  else {
    process.stderr.write(`${shown.code === 'interrupted' ? '' : 'error: '}${shown.message}\n`);
    for (const problem of shown.problems) process.stderr.write(`  ${problem}\n`);
    if (shown.hint) process.stderr.write(`hint: ${shown.hint}\n`);
  }
  if (shown.code === 'internal')
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  return shown.exitCode;
}

/** As a shell reads it back. */
const shellWord = (text: string) =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;

function describeError(error: unknown, argv: readonly string[]) {
  if (error instanceof CommanderError) {
    const [message = '', ...rest] = error.message.replace(/^error: /, '').split('\n');
    const suggestion = rest.join(' ').replace(/^\((.*)\)$/, '$1');
    const isVerb = error.code !== 'commander.unknownCommand' && !argv[0]?.startsWith('-');
    const hint = suggestion || `aftertune ${isVerb ? `${argv[0] ?? ''} ` : ''}--help shows what there is`;
    return { code: 'usage', message, problems: [], hint, exitCode: exitCode.usage };
  }
  if (error instanceof AuditError) {
    const { code, message, problems } = error;
    const again = argv
      .filter((argument) => argument !== '--fresh')
      .map(shellWord)
      .join(' ');
    const hint = code === 'interrupted' ? `to resume: aftertune ${again}` : error.hint;
    return { code, message, problems, hint, exitCode: error.exitCode };
  }
  const message = error instanceof Error ? error.message : String(error);
  const hint = 'this is a bug in aftertune; what was finished is kept';
  return { code: 'internal', message, problems: [], hint, exitCode: exitCode.runtime };
}

/** @throws AuditError `unsupported` on a platform that is not tested. */
function refusePlatform(platform: NodeJS.Platform): void {
  if (platform === 'linux' || platform === 'darwin') return;
  const name = platform === 'win32' ? 'Windows' : platform;
  throw new AuditError('unsupported', `aftertune does not run on ${name}`, {
    hint: 'use Linux or macOS; on Windows, WSL 2 is Linux',
  });
}

// A reader that closes early (`| head`) is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit();
  throw error;
});
process.exitCode = await main(process.argv.slice(2));
