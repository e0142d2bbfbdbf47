/** Usage errors in the form of the original (clap), because scripts grep them. */
import type { Command, CommanderError } from 'commander';

const MORE = "For more information, try '--help'.";

/** @returns message, tip, usage line and where to find help */
export function clapStyle(error: CommanderError, program: Command, argv: readonly string[]): string {
  const command = commandOf(program, argv);
  const [, message = '', meant] = /^(?:error: )?(.*?)(?:\n\(Did you mean (.*)\?\))?$/s.exec(error.message) ?? [];
  // A value may have line breaks, and is one line all the same.
  const sentence = reword(message.replaceAll('\n', '\\n'), command);
  const tip = meant === undefined ? [] : ['', `  tip: did you mean '${meant}'?`];
  return [`error: ${sentence}`, ...tip, '', `Usage: ${usageOf(command)}`, '', MORE].join('\n');
}

/** The same for input that only the command itself can judge. */
export function usageText(message: string, hint: string): string {
  return [`error: ${message}`, ...(hint === '' ? [] : ['', `  tip: ${hint}`]), '', MORE].join('\n');
}

/** commander's sentence and what clap says instead; `$1`… are what the pattern has caught. */
const SENTENCES: readonly (readonly [RegExp, string])[] = [
  [/^unknown option '([^']*)'.*/, "unexpected argument '$1' found"],
  [/^unknown command '([^']*)'.*/, "unrecognized subcommand '$1'"],
  [/^required option '([^']*)' not specified.*/, 'the following required arguments were not provided:\n  $1'],
  [/^option '(?:-\w, )?([^']*)' argument missing.*/, "a value is required for '$1' but none was supplied"],
  [/^option '[^']*' argument '.*' is invalid\. (the argument '.*' cannot be used multiple times).*/s, '$1'],
  [
    /^option '(?:-\w, )?([^']*)' argument '(.*)' is invalid\. Allowed choices are (.*)\.$/s,
    "invalid value '$2' for '$1'\n  [possible values: $3]",
  ],
  [/^option '(?:-\w, )?([^']*)' argument '(.*)' is invalid\. (.*)$/s, "invalid value '$2' for '$1': $3"],
  [/^option '(?:-\w, )?([^']*)' cannot be used with option '(?:-\w, )?([^']*)'.*/, "the argument '$1' cannot be used with '$2'"],
  [/^\(outputHelp\)$/, 'a subcommand is needed'],
];

/** @returns what clap would say instead of commander's sentence, which comes without `error: ` */
export function reword(message: string, command: Command): string {
  const missing = /^missing required argument '([^']+)'/.exec(message);
  if (missing !== null) return `the following required arguments were not provided:\n  <${(missing[1] as string).toUpperCase()}>`;
  const value = /^command-argument value '(.*)' is invalid for argument '([^']+)'\. (.*)$/s.exec(message);
  if (value !== null) return `invalid value '${value[1]}' for '<${(value[2] as string).toUpperCase()}>': ${value[3]}`;
  const excess = /^too many arguments.* Expected (\d+) argument/.exec(message);
  if (excess !== null) return `unexpected argument '${command.args[Number(excess[1])] ?? ''}' found`;
  for (const [pattern, sentence] of SENTENCES) if (pattern.test(message)) return message.replace(pattern, sentence);
  return message;
}

/** The command that argv names, as far as it names one. */
function commandOf(program: Command, argv: readonly string[]): Command {
  let command = program;
  for (const word of argv) command = command.commands.find((child) => child.name() === word) ?? command;
  return command;
}

function usageOf(command: Command): string {
  const names: string[] = [];
  for (let at: Command | null = command; at !== null; at = at.parent) names.unshift(at.name());
  return `${names.join(' ')} ${command.usage()}`;
}
