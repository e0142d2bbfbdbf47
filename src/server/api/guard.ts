/**
 * Who may send requests: checked before a request's body is read. On the Unix socket the file system has already decided; on TCP it is
 * the client token; without authentication (loopback only) at least no foreign web page may use the user's browser. Used by `listen.ts`.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { HqError } from '../../protocol/errors.ts';

/** @returns why the request is refused, or null */
export type Guard = (headers: IncomingHttpHeaders) => HqError | null;

/** The Unix socket: whoever can open it may do everything. */
export const openGuard: Guard = () => null;

/** @param token the one client token; the worker token is another and is refused like any other text */
export function tokenGuard(token: string): Guard {
  const expected = digest(token);
  return ({ authorization }) => {
    const given = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
    // Digests have one length, so that neither the token's length nor its first different character shows in the time.
    return given !== undefined && timingSafeEqual(digest(given), expected) ? null : new HqError('HQ_E_AUTH', { path: 'this request' });
  };
}

/**
 * Without a token every local process may do everything, but a web page that the user happens to have open may not: its requests carry
 * an `Origin`, or a `Host` name that its owner has pointed to this address.
 */
export const plainGuard: Guard = ({ host, origin }) => {
  const name = (host ?? 'localhost')
    .replace(/:\d+$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .toLowerCase();
  if (isIP(name) === 0 && name !== 'localhost' && name !== hostname().toLowerCase()) {
    return new HqError('HQ_E_FORBIDDEN', { detail: 'the Host header is neither an address nor the name of this host' });
  }
  if (origin !== undefined && origin !== `http://${host}`)
    return new HqError('HQ_E_FORBIDDEN', { detail: 'the request comes from another web page' });
  return null;
};

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
