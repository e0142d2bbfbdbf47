/** What proves who a server is, and who may talk to it. Made once per identity, or for an access record; used by `identity.ts`. */
import { randomBytes, randomInt } from 'node:crypto';
import * as z from 'zod';
import { makeCertificate } from './certificate.ts';

/** As long as HyperQueue's, so that names of logs look the same. */
const UID_LENGTH = 6;
const UID_LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const TOKEN_BYTES = 32;

const token = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 hexadecimal digits');

/** As they stand in files. */
export const secrets = z.object({
  uid: z.string().regex(/^[A-Za-z0-9]+$/, 'must be letters and digits'),
  clientToken: token,
  workerToken: token,
});

export interface Secrets extends z.infer<typeof secrets> {
  /** PEM */
  readonly certificate: string;
  /** PEM of its private key. */
  readonly key: string;
}

/** @param nowMs Unix milliseconds, from which on the certificate is valid */
export function makeSecrets(nowMs: number): Secrets {
  const uid = Array.from({ length: UID_LENGTH }, () => UID_LETTERS[randomInt(UID_LETTERS.length)]).join('');
  return { uid, clientToken: makeToken(), workerToken: makeToken(), ...makeCertificate(uid, nowMs) };
}

function makeToken(): string {
  return randomBytes(TOKEN_BYTES).toString('hex');
}
