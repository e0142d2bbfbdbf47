/**
 * The one certificate of an identity. Peers trust exactly this one and check no name, so it says next to nothing. Made by `makeIdentity`.
 */
import { createHash, createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes, sign, X509Certificate } from 'node:crypto';
import { bitString, boolean, integer, objectIdentifier, octetString, sequence, set, tagged, time, utf8String } from './der.ts';

/** As long as an identity may live; nobody would notice the day on which it ends. */
const VALID_YEARS = 10;
/** For clocks of other hosts that are behind. */
const CLOCK_SKEW_MS = 24 * 3_600_000;
/** Positive and of 16 bytes: the first bit must not be set (RFC 5280, 4.1.2.2). */
const SERIAL_BYTES = 16;

const OID = {
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  commonName: '2.5.4.3',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAlternativeName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  serverAuthentication: '1.3.6.1.5.5.7.3.1',
} as const;

/** Context tags of RFC 5280, 4.1 and 4.2. */
const [VERSION, EXTENSIONS, KEY_IDENTIFIER, DNS_NAME] = [0xa0, 0xa3, 0x80, 0x82];

export interface Certificate {
  /** PEM */
  readonly certificate: string;
  /** PEM, PKCS #8 */
  readonly key: string;
}

/**
 * @param uid the server's
 * @param nowMs Unix milliseconds
 * @returns a new ECDSA P-256 key and a certificate that it signed itself
 */
export function makeCertificate(uid: string, nowMs: number): Certificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const notAfter = new Date(nowMs);
  notAfter.setUTCFullYear(notAfter.getUTCFullYear() + VALID_YEARS);
  const algorithm = sequence(objectIdentifier(OID.ecdsaWithSha256));
  const name = sequence(set(sequence(objectIdentifier(OID.commonName), utf8String(`hq-bridge ${uid}`))));
  const toBeSigned = sequence(
    tagged(VERSION, integer(Uint8Array.of(2))),
    integer(serialNumber()),
    algorithm,
    name,
    sequence(time(nowMs - CLOCK_SKEW_MS), time(notAfter.getTime())),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    tagged(EXTENSIONS, sequence(...extensions(uid, publicKey))),
  );
  const certificate = sequence(toBeSigned, algorithm, bitString(sign('sha256', toBeSigned, privateKey)));
  return { certificate: pem(certificate), key: String(privateKey.export({ type: 'pkcs8', format: 'pem' })) };
}

function serialNumber(): Buffer {
  const bytes = randomBytes(SERIAL_BYTES);
  bytes[0] = ((bytes[0] as number) & 0x3f) | 0x40;
  return bytes;
}

/** Its own authority: strict verifiers (Python 3.13) accept a pinned certificate only in this form. */
function extensions(uid: string, publicKey: KeyObject): Buffer[] {
  const identifier = keyIdentifier(publicKey);
  return [
    extension(OID.basicConstraints, true, sequence(boolean(true))),
    // Bits 0, digitalSignature, and 5, keyCertSign.
    extension(OID.keyUsage, true, bitString(Uint8Array.of(0b1000_0100), 2)),
    extension(OID.extendedKeyUsage, false, sequence(objectIdentifier(OID.serverAuthentication))),
    extension(OID.subjectKeyIdentifier, false, octetString(identifier)),
    extension(OID.authorityKeyIdentifier, false, sequence(tagged(KEY_IDENTIFIER, identifier))),
    extension(OID.subjectAlternativeName, false, sequence(tagged(DNS_NAME, Buffer.from(`hq-${uid}`)))),
  ];
}

function extension(oid: string, isCritical: boolean, value: Buffer): Buffer {
  return sequence(objectIdentifier(oid), ...(isCritical ? [boolean(true)] : []), octetString(value));
}

/** SHA-1 of the public key's bits (RFC 5280, 4.2.1.2); a name, not a protection. */
function keyIdentifier(publicKey: KeyObject): Buffer {
  const { x, y } = publicKey.export({ format: 'jwk' });
  const point = Buffer.concat([Uint8Array.of(4), Buffer.from(String(x), 'base64url'), Buffer.from(String(y), 'base64url')]);
  return createHash('sha1').update(point).digest();
}

function pem(bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}

/** @returns a sentence that says why the pair cannot be used, or null */
export function certificateProblem({ certificate, key }: Certificate, nowMs: number): string | null {
  try {
    const parsed = new X509Certificate(certificate);
    if (!parsed.checkPrivateKey(createPrivateKey(key))) return 'the certificate belongs to another key';
    return Date.parse(parsed.validTo) < nowMs ? `the certificate ended on ${parsed.validTo}` : null;
  } catch (error) {
    return `the certificate or its key cannot be read: ${(error as Error).message}`;
  }
}
