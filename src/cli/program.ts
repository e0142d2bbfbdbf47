/**
 * The command line as a function: argv and the outside in, exit code out. Builds the commander tree out of the command table; the module of
 * a command is loaded only when it is chosen, so that short commands start quickly.
 */
import { Command, CommanderError, type Option } from 'commander';
import { HqError, toHqError } from '../protocol/errors.ts';
import { CUT_VARIABLE, type Effect } from '../protocol/frontFrames.ts';
import { VERSION } from '../protocol/version.ts';
import { type CommandEntry, type CommandGroup, isHidden } from './commandEntry.ts';
import { COMMANDS } from './commandTable.ts';
import { type ConfigFile, configFiles } from './config/find.ts';
import { Context, type GlobalOptions, OUTPUT_MODES, type OutputMode } from './context.ts';
import { globalOptions } from './globalOptions.ts';
import type { CliIo } from './io.ts';
import { makeOutput } from './output/make.ts';
import { clapStyle, usageText } from './usage.ts';

/** Below the options of a command that takes some. */
const DURATIONS = "\nDurations: 90 (seconds), 500ms, 10min, '1h 30m', 01:30:00";

/** Exit code after Ctrl-C, as shells count it. */
const EXIT_INTERRUPTED = 130;

/**
 * @param argv arguments after `hq`
 * @returns 0 ok, 1 failed, 2 wrong usage, 130 interrupted. Never throws.
 */
export async function runCli(argv: readonly string[], io: CliIo): Promise<number> {
  return (await runAccepted(argv, io, () => true)) as number;
}

/**
 * The same where not every command may run.
 * @param accepts asked once a command was chosen, before it does anything; null: it may not be run by a server for a client
 * @returns null when it was not accepted
 */
export async function runAccepted(argv: readonly string[], io: CliIo, accepts: (effect: Effect | null) => boolean): Promise<number | null> {
  let chosen: Chosen | undefined;
  const choose = (made: Chosen): void => {
    chosen = made;
  };
  const files = configFiles(io);
  const program = buildProgram({ choose, io, mayBeChosen: possibleNames(argv), ...(await configuration(argv, files, io)) });
  try {
    await program.parseAsync([...argv], { from: 'user' });
    if (chosen === undefined) return 2;
    chosen = withTail(chosen, io);
    if (files.length > 0) chosen = await withConfiguration(chosen, files, io);
    requireMandatory(chosen);
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return 0;
    io.stderr.write(`${clapStyle(error, program, argv)}\n`);
    return 2;
  }
  return accepts(effectOf(chosen, io)) ? runCommand(chosen, chosen.io ?? io) : null;
}

/** Null where the command, or what was asked of it, is not for the server: files of the client, waiting in the same breath as changing, stacks of this process. */
function effectOf({ entry, args, options, globals, problem }: Chosen, io: CliIo): Effect | null {
  if (problem !== undefined) return null;
  if (entry.readsFiles?.(args, options) === true) return null;
  const isLong = options['wait'] === true || options['progress'] === true;
  const showsStacks = globals.debug === true || (io.env['HQ_DEBUG'] ?? '') !== '';
  return isLong || showsStacks ? null : (entry.effect ?? null);
}

/** A command with what was typed for it. */
interface Chosen {
  readonly entry: CommandEntry;
  readonly command: Command;
  readonly args: readonly unknown[];
  readonly options: Readonly<Record<string, unknown>>;
  readonly globals: GlobalOptions;
  readonly mandatory: readonly Option[];
  /** Attributes of options that were typed. */
  readonly typed: ReadonlySet<string>;
  /** Where configuration files set something: the options that come from there, and the outside with it. */
  readonly configured?: Readonly<Record<string, unknown>>;
  readonly io?: CliIo;
  /** Why they cannot be used; told instead of running the command. */
  readonly problem?: HqError;
}

/** What of configuration files has to be known before anything is parsed. */
async function configuration(argv: readonly string[], files: readonly ConfigFile[], io: CliIo): Promise<Pick<Building, 'notes'>> {
  if (files.length === 0 || !asksForHelp(argv)) return {};
  const { defaultNotes } = await import('./config/defaults.ts');
  const profile = typedProfile(argv) || io.env['HQ_PROFILE'] || null;
  return { notes: (name, entry) => defaultNotes({ name, entry, profile }, files) };
}

/** Help texts are made before anything is parsed. */
function typedProfile(argv: readonly string[]): string | undefined {
  const end = argv.indexOf('--');
  const words = end < 0 ? argv : argv.slice(0, end);
  const at = words.findLastIndex((word) => word === '--profile' || word.startsWith('--profile='));
  return words[at] === '--profile' ? words[at + 1] : words[at]?.slice('--profile='.length);
}

async function withConfiguration(chosen: Chosen, files: readonly ConfigFile[], io: CliIo): Promise<Chosen> {
  const { withDefaults } = await import('./config/defaults.ts');
  const name = wordsOf(chosen.command);
  try {
    // Commands about the configuration tell themselves what is wrong with it.
    return name.startsWith('config ') ? chosen : { ...chosen, ...withDefaults({ ...chosen, name }, files, io) };
  } catch (thrown) {
    return { ...chosen, problem: toHqError(thrown) };
  }
}

/**
 * Not left to commander, which tells of a missing option before a mistyped one, and knows nothing of configuration files.
 * @throws CommanderError when a mandatory option is neither typed nor configured
 */
function requireMandatory({ mandatory, options, problem }: Chosen): void {
  const missing = mandatory.find((option) => options[option.attributeName()] === undefined);
  if (missing === undefined || problem !== undefined) return;
  throw new CommanderError(1, 'commander.missingMandatoryOptionValue', `error: required option '${missing.flags}' not specified`);
}

/** Words of a command after `hq`. */
function wordsOf(command: Command): string {
  const names: string[] = [];
  for (let at: Command | null = command; at?.parent != null; at = at.parent) names.unshift(at.name());
  return names.join(' ');
}

/** @returns attributes of options that have a value because they were typed */
function typedOptions(command: Command): Set<string> {
  return new Set(Object.keys(command.opts()).filter((name) => command.getOptionValueSource(name) !== 'default'));
}

/** `hq job submit-task 3 --cpus 4 -- prog --flag`: the command line of the task begins at the second positional, options may stand before it. */
function withTail(chosen: Chosen, io: CliIo): Chosen {
  const { entry, command } = chosen;
  const lead = (entry.args?.length ?? 0) - 1;
  if (entry.tail !== true || lead < 1) return chosen;
  const inner = configure(new Command(entry.name), io).passThroughOptions();
  for (const option of entry.options?.() ?? []) inner.addOption(option);
  const [argument, description] = entry.args?.[lead] ?? ['<command...>', ''];
  inner.argument(argument, description).action(() => {});
  for (const [name, value] of Object.entries(command.opts())) inner.setOptionValue(name, value);
  inner.parse(command.args.slice(lead), { from: 'user' });
  const options = inner.opts();
  const typed = new Set([...chosen.typed, ...typedOptions(inner)]);
  return {
    ...chosen,
    typed,
    args: [...chosen.args.slice(0, lead), inner.processedArgs[0]],
    options,
    globals: { ...chosen.globals, ...options },
  };
}

async function runCommand({ entry, args, options, globals, configured = {}, problem }: Chosen, io: CliIo): Promise<number> {
  const mode = modeOf(globals, io);
  const debug = globals.debug === true || io.env['HQ_DEBUG'] === 'true';
  const badVariable =
    mode === undefined ? 'HQ_OUTPUT_MODE' : ['true', 'false', '', undefined].includes(io.env['HQ_DEBUG']) ? null : 'HQ_DEBUG';
  if (mode === undefined || badVariable !== null) {
    const expected = badVariable === 'HQ_DEBUG' ? 'true or false' : 'cli, json or quiet';
    io.stderr.write(`${usageText(`invalid value '${io.env[badVariable as string]}' for ${badVariable}: ${expected} is expected`, '')}\n`);
    return 2;
  }
  const context = new Context({
    io,
    globals: { ...globals, debug },
    mode,
    output: await makeOutput(mode, globals, io),
    commands: COMMANDS,
    configured,
  });
  try {
    if (problem !== undefined) throw problem;
    if (io.env[CUT_VARIABLE] !== undefined && entry.settlesCut?.(args, options) !== true)
      await (await import('./front/afterCut.ts')).afterCut(context, entry.effect);
    const run = await entry.load();
    const code = await run(context, args as never, options as never);
    if (!context.hasRawOutput) context.output.end();
    return code ?? (io.signal.aborted ? EXIT_INTERRUPTED : context.exitCode);
  } catch (thrown) {
    return report(thrown, context);
  } finally {
    await context.close();
  }
}

function report(thrown: unknown, context: Context): number {
  if (context.io.signal.aborted) return EXIT_INTERRUPTED;
  const error = toHqError(thrown);
  const isBug = error.code === 'HQ_E_INTERNAL' && thrown instanceof Error && !(thrown instanceof HqError);
  if (error.exitCode === 2) context.io.stderr.write(`${usageText(error.message, error.hint)}\n`);
  else context.output.error(error);
  if (context.globals.debug === true) context.note(causes(error));
  else if (isBug) context.note(thrown.stack ?? thrown.message);
  return error.exitCode;
}

/** Everything that is known of an error, for `--debug`. */
function causes(error: unknown): string {
  const lines: string[] = [];
  for (let at = error; at instanceof Error; at = at.cause)
    lines.push(`DEBUG ${lines.length === 0 ? '' : 'caused by '}${at.stack ?? at.message}`);
  return lines.join('\n');
}

function modeOf(globals: GlobalOptions, io: CliIo): OutputMode | undefined {
  const given = globals.outputMode ?? (io.env['HQ_OUTPUT_MODE'] || 'cli');
  return OUTPUT_MODES.find((mode) => mode === given);
}

interface Building {
  readonly io: CliIo;
  choose(chosen: Chosen): void;
  /** False: nothing is needed of the command of this name but its line in lists. */
  mayBeChosen(name: string): boolean;
  /** For help texts: what is configured, by attribute of an option. */
  readonly notes?: (name: string, entry: CommandEntry) => ReadonlyMap<string, string>;
}

/** A command is chosen by its name, so one whose name was not typed need not be built; only a help text shows parts of others. */
function possibleNames(argv: readonly string[]): (name: string) => boolean {
  const words = new Set(argv);
  const all = asksForHelp(argv);
  return (name) => all || words.has(name);
}

function asksForHelp(argv: readonly string[]): boolean {
  return argv.some((word) => word === '--help' || /^-\w*h/.test(word));
}

function buildProgram(building: Building): Command {
  const { io } = building;
  const program = configure(new Command('hq'), io)
    .description('Run many short tasks inside a few batch jobs')
    .version(`hyperqueue ${VERSION}`, '-V, --version')
    .enablePositionalOptions();
  for (const item of COMMANDS) add(program, item, building);
  return program;
}

function add(parent: Command, item: CommandEntry | CommandGroup, building: Building): void {
  const command = parent.command(item.name, { hidden: isHidden(item) }).description(item.description);
  if (!building.mayBeChosen(item.name)) return;
  configure(command, building.io);
  if ('commands' in item) {
    command.enablePositionalOptions();
    for (const child of item.commands) add(command, child, building);
    return;
  }
  for (const [argument, description, parse] of item.args ?? []) {
    if (parse === undefined) command.argument(argument, description);
    else command.argument(argument, description, parse);
  }
  const notes = building.notes?.(wordsOf(command), item);
  const options = item.options?.() ?? [];
  const mandatory = options.filter((option) => option.mandatory);
  for (const option of options) {
    option.mandatory = false;
    const note = notes?.get(option.attributeName());
    if (note !== undefined) option.description += ` ${note}`;
    command.addOption(option);
  }
  if (item.tail !== undefined) command.passThroughOptions();
  if (command.options.some(({ flags }) => flags.includes('DURATION>'))) command.addHelpText('after', DURATIONS);
  if (item.examples !== undefined) command.addHelpText('after', `\nExamples:\n${item.examples.map((line) => `  ${line}`).join('\n')}`);
  command.action(() => {
    const globals = command.optsWithGlobals<GlobalOptions>();
    building.choose({
      entry: item,
      command,
      args: command.processedArgs,
      options: command.opts(),
      globals,
      mandatory,
      typed: typedOptions(command),
    });
  });
}

/** Nothing of commander may touch the process; global options are accepted at any depth and shown only in the top-level help. */
function configure(command: Command, io: CliIo): Command {
  const isTop = command.name() === 'hq';
  for (const option of globalOptions()) command.addOption(isTop ? option : option.hideHelp());
  return command
    .exitOverride()
    .helpCommand(false)
    .showSuggestionAfterError(true)
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: () => {},
      outputError: () => {},
      getOutHelpWidth: () => (io.stdout.isTTY === true ? io.stdout.columns : undefined) as number,
    });
}
