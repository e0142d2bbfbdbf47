/** `hq server generate-access`: the access record of a server that is yet to start, whole and in parts. */
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { HqError } from '../../protocol/errors.ts';
import type { Context } from '../context.ts';

interface AccessOptions {
  readonly clientPort: number;
  readonly workerPort: number;
  readonly host?: string;
  readonly clientHost?: string;
  readonly workerHost?: string;
  readonly clientFile?: string;
  readonly workerFile?: string;
}

export async function runGenerateAccess(context: Context, [file]: [string], options: AccessOptions): Promise<undefined> {
  const { clientPart, makeServerAccess, workerPart } = await import('../../server/identity/serverAccess.ts');
  const { host = hostname(), clientHost = host, workerHost = host } = options;
  const access = makeServerAccess({
    client: { host: clientHost, port: options.clientPort },
    worker: { host: workerHost, port: options.workerPort },
  });
  const files = [
    [file, access],
    ...(options.clientFile === undefined ? [] : [[options.clientFile, clientPart(access)] as const]),
    ...(options.workerFile === undefined ? [] : [[options.workerFile, workerPart(access)] as const]),
  ] as const;
  const paths = files.map(([path]) => resolve(context.io.cwd, path));
  if (new Set(paths).size < paths.length)
    throw new HqError('HQ_E_USAGE', { detail: 'the same file is named for two parts of the access record' });
  const { writePrivate } = await import('../../server/identity/privateFile.ts');
  for (const [index, [path, content]] of files.entries()) {
    try {
      writePrivate(paths[index] as string, `${JSON.stringify(content, null, 2)}\n`);
    } catch (error) {
      throw new HqError('HQ_E_ACCESS_FILE', { path, detail: (error as Error).message }, { cause: error });
    }
    context.output.done(`Access file ${path} written`);
  }
}
