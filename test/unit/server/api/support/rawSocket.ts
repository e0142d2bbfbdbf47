/** Bytes in, bytes out: a connection that speaks no particular protocol. */
import { connect, type Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';

export type Place = { path: string } | { port: number; tls?: boolean };

export function open(place: Place): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const isTls = 'port' in place && place.tls === true;
    const socket: Socket = isTls
      ? tlsConnect({ host: '127.0.0.1', port: place.port, rejectUnauthorized: false })
      : connect('path' in place ? { path: place.path } : { host: '127.0.0.1', port: place.port });
    socket.once(isTls ? 'secureConnect' : 'connect', () => resolve(socket));
    socket.once('error', reject);
  });
}

/** Sends and returns everything that comes back until the other side closes; a reset counts as closing. */
export async function exchange(place: Place, bytes: string | Buffer): Promise<string> {
  const socket = await open(place);
  const chunks: Buffer[] = [];
  return await new Promise((resolve) => {
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(Buffer.concat(chunks).toString('latin1')));
    socket.write(bytes);
  });
}
