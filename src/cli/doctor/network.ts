/** Checks of how others reach this host: ports on loopback and on its own addresses, its name, the place of the Unix socket. */
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { type Finding, ok, problem, reasonOf, warning } from './finding.ts';

const LOOPBACK = '127.0.0.1';
/** Milliseconds; the way to oneself is never long. */
const CONNECT_TIMEOUT_MS = 3_000;
const LOOKUP_TIMEOUT_MS = 5_000;

/** @param hosts as written into the access files: the name first, loopback last */
export async function checkPorts(hosts: readonly string[]): Promise<Finding[]> {
  const own = hosts.slice(1).filter((host) => host !== LOOPBACK);
  const trials = await Promise.all([LOOPBACK, ...own].map(async (host) => ({ host, why: await tryPort(host) })));
  const [loopback, ...others] = trials as [(typeof trials)[0], ...typeof trials];
  const findings = [
    loopback.why === null
      ? ok('loopback', `${LOOPBACK} can be listened on and reached`)
      : problem('loopback', `${LOOPBACK}: ${loopback.why}`, 'Without it neither server nor worker can be used on this host'),
  ];
  const working = others.filter(({ why }) => why === null).map(({ host }) => host);
  const failing = others.filter(({ why }) => why !== null).map(({ host, why }) => `${host}: ${why}`);
  const advice = 'Choose the address that workers are to use with: hq server start --host ADDRESS';
  if (others.length === 0) findings.push(warning('host-address', 'this host has no address but loopback', 'Workers must run on this host'));
  else if (failing.length === 0) findings.push(ok('host-address', `${working.join(', ')} can be listened on and reached`));
  else if (working.length > 0) findings.push(warning('host-address', `${working.join(', ')} works, but not ${failing.join('; ')}`, advice));
  else findings.push(problem('host-address', failing.join('; '), advice));
  return findings;
}

/** Listens on a free port and connects to it. @returns null when both work, else why not */
async function tryPort(host: string): Promise<string | null> {
  const server = createServer((socket) => socket.destroy());
  try {
    server.listen(0, host);
    await once(server, 'listening');
  } catch (error) {
    return reasonOf(error);
  }
  const { port } = server.address() as { port: number };
  const socket = connect({ host, port });
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(CONNECT_TIMEOUT_MS) });
    return null;
  } catch (error) {
    return (error as Error).name === 'AbortError' ? 'it can be listened on, but does not answer' : reasonOf(error);
  } finally {
    socket.on('error', () => {}).destroy();
    server.close();
  }
}

/** @param addresses own ones, loopback included */
export async function checkHostName(name: string, addresses: readonly string[]): Promise<Finding> {
  const advice = 'Workers use the other addresses of this host; or choose one with: hq server start --host ADDRESS';
  let found: readonly { address: string }[];
  try {
    found = await withTimeout(lookup(name, { all: true }));
  } catch (error) {
    return warning('host-name', `${name} does not resolve: ${reasonOf(error)}`, advice);
  }
  const text = `${name} is ${[...new Set(found.map(({ address }) => address))].join(', ')}`;
  // Where the name leads on other hosts is not known here; one that leads to another machine even here is wrong everywhere.
  if (found.some(({ address }) => addresses.includes(address) || address.startsWith('127.') || address.includes(':')))
    return ok('host-name', text);
  return warning('host-name', `${text}, which is none of the addresses of this host`, advice);
}

async function withTimeout<T>(promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${LOOKUP_TIMEOUT_MS / 1_000} s`)), LOOKUP_TIMEOUT_MS);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

export interface SocketPlace {
  readonly path: string | null;
  readonly passedOver: readonly string[];
}

/** @param place what `chooseSocketPath` of the server says */
export function checkSocket({ path, passedOver }: SocketPlace): Finding {
  const why = passedOver.join('; ');
  if (path !== null) return ok('unix-socket', `below ${path.slice(0, path.lastIndexOf('/'))}${why === '' ? '' : ` (not in ${why})`}`);
  return warning(
    'unix-socket',
    `there is no place for it, so that clients on this host use TLS, too: ${why}`,
    'Set TMPDIR to a short path on a local disk',
  );
}
