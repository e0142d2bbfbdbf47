/** The renderer of an output mode; the table library is loaded only for tables. */
import { compatOf } from '../compat.ts';
import { type GlobalOptions, type OutputMode, wantsColors } from '../context.ts';
import type { CliIo } from '../io.ts';
import type { Output } from './output.ts';

export async function makeOutput(mode: OutputMode, globals: Pick<GlobalOptions, 'colors'>, io: CliIo): Promise<Output> {
  switch (mode) {
    case 'json':
      return new (await import('./json.ts')).JsonOutput(io, compatOf(io.env));
    case 'quiet':
      return new (await import('./quiet.ts')).QuietOutput(io);
    case 'cli':
      return new (await import('./table.ts')).TableOutput(io, wantsColors(globals, io));
  }
}
