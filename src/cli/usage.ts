/** Usage errors in the form of the original (clap), because scripts grep them. */
import type { Command, CommanderError } from 'commander';

/** @returns message, tip, usage line and where to find help */
export function clapStyle(error: CommanderError, program: Command, argv: readonly string[]): string {
  const [message = '', ...rest] = error.message.replace(/^error: /, '').split('\n');
  const tip = rest
    .map((line) => line.trim().replace(/^\(Did you mean (.*)\?\)$/, "  tip: did you mean '$1'?"))
    .filter((line) => line !== '');
  const usage = `Usage: ${usageOf(commandOf(program, argv))}`;
  return [`error: ${reword(message)}`, ...tip, '', usage, '', "For more information, try '--help'."].join('\n');
}

function reword(message: string): string {
  const unknown = /^unknown option '([^']+)'/.exec(message);
  if (unknown !== null) return `unexpected argument '${unknown[1]}' found`;
  const missing = /^missing required argument '([^']+)'/.exec(message);
  if (missing !== null) return `the following required arguments were not provided:\n  <${(missing[1] as string).toUpperCase()}>`;
  const mandatory = /^required option '([^']+)' not specified/.exec(message);
  if (mandatory !== null) return `the following required arguments were not provided:\n  ${mandatory[1]}`;
  const command = /^unknown command '([^']+)'/.exec(message);
  if (command !== null) return `unrecognized subcommand '${command[1]}'`;
  const value = /^option '[^']*?(--[a-z-]+)[^']*' argument '([^']*)' is invalid\. (.*)$/s.exec(message);
  if (value !== null) return `invalid value '${value[2]}' for '${value[1]}': ${value[3]}`;
  const excess = /^too many arguments/.exec(message);
  if (excess !== null) return `unexpected argument found: ${message}`;
  return message === '(outputHelp)' ? 'a subcommand is needed' : message;
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
