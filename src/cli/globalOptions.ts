/** Options that every command takes, at any depth. */
import { Option } from 'commander';
import { OUTPUT_MODES } from './context.ts';

export function globalOptions(): Option[] {
  return [
    new Option('--server-dir <DIR>', 'server directory (default: HQ_SERVER_DIR, else ~/.hq-server)'),
    new Option('--output-mode <MODE>', 'cli, json or quiet (default: HQ_OUTPUT_MODE, else cli)').choices([...OUTPUT_MODES]),
    new Option('--colors <WHEN>', 'auto, always or never (default: auto)').choices(['auto', 'always', 'never']),
    new Option('--profile <NAME>', 'profile of the configuration files (default: HQ_PROFILE, else the one that they name)'),
    new Option('--debug', 'tell what lies behind an error, and log more (also: HQ_DEBUG=true)'),
  ];
}
