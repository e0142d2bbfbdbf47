/** What users type for commands of batch systems and what these print, as text. Pure; used by the batch systems. */

/** @returns the value of the last `--option=value`, `--option value`, `-o value` or `-ovalue`; undefined when the option is not there */
export function optionValue(args: readonly string[], option: string): string | undefined {
  let value: string | undefined;
  const attached = option.startsWith('--') ? `${option}=` : option;
  for (const [index, arg] of args.entries()) {
    if (arg === option) value = args[index + 1];
    else if (arg.startsWith(attached)) value = arg.slice(attached.length);
  }
  return value;
}

/** @returns the lines as one, without the name of the command in front of each (`sbatch: error: …`) */
export function oneLine(text: string): string {
  const parts = text.split('\n').map((line) => line.replace(/^\w+: (?:error: )?/, '').trim());
  return parts.filter((line) => line !== '').join('; ');
}
