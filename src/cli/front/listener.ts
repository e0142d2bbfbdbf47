/**
 * Listens for fronts and runs their commands, on the thread for commands. The file system is the login: the socket lies in a directory that
 * nobody else can enter, and is private itself.
 */
import { chmodSync } from 'node:fs';
import { Agent } from 'node:http';
import { createServer, type Socket } from 'node:net';
import { Session } from './session.ts';

/** Commands at a time; a front that is cut off runs its command itself. Each may hold two connections to the API. */
const SESSIONS_MAX = 256;
/** Connections to the API are kept open between commands for this long, milliseconds; less than the API keeps them. */
const KEPT_MS = 30_000;

/**
 * @param socketPath in a directory of our own; nothing of this name is there
 * @returns when fronts can connect; `close` cuts off what runs
 * @throws errors of the system
 */
export function listenForFronts(socketPath: string): Promise<{ close(): void }> {
  const agent = new Agent({ keepAlive: true, timeout: KEPT_MS });
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    new Session(socket, agent);
  });
  server.maxConnections = SESSIONS_MAX;
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ path: socketPath, backlog: SESSIONS_MAX }, () => {
      chmodSync(socketPath, 0o600);
      resolve({
        close: () => {
          server.close();
          for (const socket of sockets) socket.destroy();
          agent.destroy();
        },
      });
    });
  });
}
