/** `hq server install-service`: the server as a unit of `systemd --user`, which starts it again after a failure and after a reboot. */
import { readFileSync } from 'node:fs';
import { homedir, userInfo } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { HqError } from '../../protocol/errors.ts';
import type { Context } from '../context.ts';
import { makeFolder, writeTextFile } from '../textFile.ts';

interface ServiceOptions {
  readonly name?: string;
  readonly dryRun?: boolean;
  readonly force?: boolean;
  readonly host?: string;
  readonly clientPort?: number;
  readonly workerPort?: number;
  readonly journal?: string;
  readonly accessFile?: string;
}

const UNIT = 'hq-server';

export async function runInstallService(context: Context, _args: [], options: ServiceOptions): Promise<undefined> {
  const { io } = context;
  const { name = UNIT } = options;
  const text = unitText(context, options);
  if (options.dryRun === true) {
    await context.raw(text);
    return;
  }
  const path = join(io.env['XDG_CONFIG_HOME'] || join(io.env['HOME'] || homedir(), '.config'), 'systemd/user', `${name}.service`);
  const before = textOf(path);
  if (before !== null && before !== text && options.force !== true)
    throw new HqError('HQ_E_FILE_WRITE', {
      path,
      detail: 'it exists and is another one; replace it with --force, or look at this one with --dry-run',
    });
  await makeFolder(dirname(path));
  await writeTextFile(path, text, io);
  context.output.done(`${path} written. Now run:`);
  for (const line of [
    'systemctl --user daemon-reload',
    `systemctl --user enable --now ${name}`,
    `loginctl enable-linger ${userInfo().username}`,
  ])
    context.note(`  ${line}`);
}

/** Node and the script by their paths: systemd knows nothing of the PATH of a shell. SIGTERM leaves workers and their tasks alone. */
function unitText({ io, serverDir }: Context, options: ServiceOptions): string {
  const path = (typed: string): string => resolve(io.cwd, typed);
  const words = [
    ...[process.execPath, resolve(process.argv[1] ?? 'hq'), 'server', 'start', '--server-dir', serverDir],
    ...(options.host === undefined ? [] : ['--host', options.host]),
    ...(options.clientPort === undefined ? [] : ['--client-port', String(options.clientPort)]),
    ...(options.workerPort === undefined ? [] : ['--worker-port', String(options.workerPort)]),
    ...(options.journal === undefined ? [] : ['--journal', path(options.journal)]),
    ...(options.accessFile === undefined ? [] : ['--access-file', path(options.accessFile)]),
  ];
  return `[Unit]
Description=HyperQueue Server
After=network.target

[Service]
ExecStart=${words.map(quoted).join(' ')}
Restart=on-failure
RestartSec=5

[Install]
WantedBy=default.target
`;
}

/** As systemd reads words of a command line (systemd.service(5), systemd.syntax(7)): quotes, and no specifiers or variables. */
function quoted(word: string): string {
  const plain = word.replaceAll('%', '%%').replaceAll('$', '$$$$');
  return /^[\w@:./=+,%$-]+$/.test(plain) ? plain : `"${plain.replace(/["\\]/g, '\\$&')}"`;
}

function textOf(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}
