/**
 * The command line as a function: argv and the outside in, exit code out. Builds the commander tree out of the command table; the module of
 * a command is loaded only when it is chosen, so that short commands start quickly.
 */
import { Command, CommanderError, Option } from 'commander';
import { HqError, toHqError } from '../protocol/errors.ts';
import { VERSION } from '../protocol/version.ts';
import { COMMANDS, type CommandEntry, type CommandGroup } from './commandTable.ts';
import { Context, type GlobalOptions, OUTPUT_MODES, type OutputMode } from './context.ts';
import type { CliIo } from './io.ts';
import { makeOutput } from './output/make.ts';
import { clapStyle } from './usage.ts';

/** Exit code after Ctrl-C, as shells count it. */
const EXIT_INTERRUPTED = 130;

/**
 * @param argv arguments after `hq`
 * @returns 0 ok, 1 failed, 2 wrong usage, 130 interrupted. Never throws.
 */
export async function runCli(argv: readonly string[], io: CliIo): Promise<number> {
  let chosen: { entry: CommandEntry; command: Command; args: unknown[] } | undefined;
  const program = buildProgram((entry, command, args) => {
    chosen = { entry, command, args };
  }, io);
  try {
    await program.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return 0;
    io.stderr.write(`${clapStyle(error, program, argv)}\n`);
    return 2;
  }
  if (chosen === undefined) return 2;
  return runCommand(chosen.entry, chosen.command, io);
}

async function runCommand(entry: CommandEntry, command: Command, io: CliIo): Promise<number> {
  const globals = command.optsWithGlobals<GlobalOptions>();
  const mode = modeOf(globals, io);
  if (mode === undefined) {
    io.stderr.write(`error: invalid value '${io.env['HQ_OUTPUT_MODE']}' for HQ_OUTPUT_MODE: cli, json or quiet is expected\n`);
    return 2;
  }
  const context = new Context({ io, globals, mode, output: await makeOutput(mode, globals, io) });
  try {
    const run = await entry.load();
    const code = await run(context, command.processedArgs as never, command.opts());
    context.output.end();
    return code ?? context.exitCode;
  } catch (thrown) {
    return report(thrown, context);
  } finally {
    await context.close();
  }
}

function report(thrown: unknown, context: Context): number {
  if (context.io.signal.aborted) return EXIT_INTERRUPTED;
  const error = toHqError(thrown);
  if (error.exitCode === 2) {
    context.io.stderr.write(
      `error: ${error.message}${error.hint === '' ? '' : `\n\n  tip: ${error.hint}`}\n\nFor more information, try '--help'.\n`,
    );
    return 2;
  }
  context.output.error(error);
  if (error.code === 'HQ_E_INTERNAL' && thrown instanceof Error && !(thrown instanceof HqError))
    context.note(thrown.stack ?? thrown.message);
  return error.exitCode;
}

function modeOf(globals: GlobalOptions, io: CliIo): OutputMode | undefined {
  const given = globals.outputMode ?? (io.env['HQ_OUTPUT_MODE'] || 'cli');
  return OUTPUT_MODES.find((mode) => mode === given);
}

type Choose = (entry: CommandEntry, command: Command, args: unknown[]) => void;

function buildProgram(choose: Choose, io: CliIo): Command {
  const program = configure(new Command('hq'), io)
    .description('Run many short tasks inside a few batch jobs')
    .version(`hyperqueue ${VERSION}`, '-V, --version')
    .enablePositionalOptions();
  for (const item of COMMANDS) add(program, item, choose, io);
  return program;
}

function add(parent: Command, item: CommandEntry | CommandGroup, choose: Choose, io: CliIo): void {
  const command = configure(parent.command(item.name), io).description(item.description);
  if ('commands' in item) {
    command.enablePositionalOptions();
    for (const child of item.commands) add(command, child, choose, io);
    return;
  }
  for (const [argument, description] of item.args ?? []) command.argument(argument, description);
  for (const option of item.options?.() ?? []) command.addOption(option);
  if (item.tail === true) command.passThroughOptions();
  if (item.examples !== undefined) command.addHelpText('after', `\nExamples:\n${item.examples.map((line) => `  ${line}`).join('\n')}`);
  command.action((...args: unknown[]) => choose(item, command, args));
}

/** Nothing of commander may touch the process; global options are accepted at any depth and shown only in the top-level help. */
function configure(command: Command, io: CliIo): Command {
  const isTop = command.name() === 'hq';
  for (const option of globalOptions()) command.addOption(isTop ? option : option.hideHelp());
  return command
    .exitOverride()
    .helpCommand(false)
    .showSuggestionAfterError(true)
    .configureOutput({ writeOut: (text) => io.stdout.write(text), writeErr: () => {}, outputError: () => {} });
}

function globalOptions(): Option[] {
  return [
    new Option('--server-dir <DIR>', 'server directory (default: HQ_SERVER_DIR, else ~/.hq-server)'),
    new Option('--output-mode <MODE>', 'cli, json or quiet (default: HQ_OUTPUT_MODE, else cli)').choices([...OUTPUT_MODES]),
    new Option('--colors <WHEN>', 'auto, always or never (default: auto)').choices(['auto', 'always', 'never']),
    new Option('--debug', 'log more'),
  ];
}
