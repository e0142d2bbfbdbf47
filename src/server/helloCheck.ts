/** Whether a process that says hello may be a worker of this server. Called by the worker gateway; pure. */
import { timingSafeEqual } from 'node:crypto';
import { HqError } from '../protocol/errors.ts';
import type { WorkerHello } from '../protocol/messages/worker.ts';
import { PROTOCOL, PROTOCOL_TEXT } from '../protocol/version.ts';

export interface Identification {
  readonly serverUid: string;
  /** Null: authentication is switched off. */
  readonly token: string | null;
}

/** @returns why the worker is refused: HQ_E_VERSION or HQ_E_WORKER_REFUSED; null when it is welcome */
export function checkHello(hello: WorkerHello, { serverUid, token }: Identification): HqError | null {
  if (hello.protocol[0] !== PROTOCOL.major) {
    return new HqError('HQ_E_VERSION', { theirs: hello.protocol.join('.'), ours: PROTOCOL_TEXT });
  }
  if (token !== null && !sameToken(hello.token, token)) return new HqError('HQ_E_WORKER_REFUSED', { detail: 'wrong token' });
  if (hello.serverUid !== serverUid) {
    return new HqError('HQ_E_WORKER_REFUSED', { detail: `it belongs to server ${hello.serverUid}, this is ${serverUid}` });
  }
  return null;
}

function sameToken(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}
