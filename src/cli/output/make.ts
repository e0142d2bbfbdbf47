/** The renderer of an output mode; the table library is loaded only for tables. */
import type { GlobalOptions, OutputMode } from '../context.ts';
import type { CliIo } from '../io.ts';
import type { Output } from './output.ts';

export async function makeOutput(mode: OutputMode, globals: Pick<GlobalOptions, 'colors'>, io: CliIo): Promise<Output> {
  switch (mode) {
    case 'json':
      return new (await import('./json.ts')).JsonOutput(io);
    case 'quiet':
      return new (await import('./quiet.ts')).QuietOutput(io);
    case 'cli': {
      const colors = globals.colors ?? 'auto';
      return new (await import('./table.ts')).TableOutput(io, colors === 'always' || (colors === 'auto' && io.stdout.isTTY === true));
    }
  }
}
