/** Under which addresses peers may reach this server, written into the access files. Used at the start of a server. */
import { hostname, type NetworkInterfaceInfo, networkInterfaces } from 'node:os';

const LOOPBACK = '127.0.0.1';

/**
 * @param o.host `--host`: then it alone
 * @returns addresses in the order in which peers try them: the host name, every other IPv4 address of this machine, loopback last
 */
export function serverAddresses(o: { readonly host?: string | undefined } = {}): string[] {
  return o.host === undefined ? listAddresses(hostname(), networkInterfaces()) : [o.host];
}

/** The rule on its own, for tests. */
export function listAddresses(name: string, interfaces: Readonly<Record<string, NetworkInterfaceInfo[] | undefined>>): string[] {
  const found = Object.values(interfaces).flatMap((list) => list ?? []);
  // Link-local addresses mean another machine on every host.
  const outward = found.filter(({ family, internal, address }) => family === 'IPv4' && !internal && !address.startsWith('169.254.'));
  return [...new Set([name, ...outward.map(({ address }) => address), LOOPBACK])].filter((address) => address !== '');
}
