/**
 * The one certificate of an identity. Peers trust exactly this one and check no name, so it says next to nothing. Made by `makeIdentity`.
 */
import { createPrivateKey, KeyObject, webcrypto, X509Certificate } from 'node:crypto';

/** As long as an identity may live; nobody would notice the day on which it ends. */
const VALID_YEARS = 10;
/** For clocks of other hosts that are behind. */
const CLOCK_SKEW_MS = 24 * 3_600_000;

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
export async function makeCertificate(uid: string, nowMs: number): Promise<Certificate> {
  const x509 = await loadX509();
  const keys = (await webcrypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, [
    'sign',
    'verify',
  ])) as webcrypto.CryptoKeyPair;
  const notAfter = new Date(nowMs);
  notAfter.setUTCFullYear(notAfter.getUTCFullYear() + VALID_YEARS);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=hq-bridge ${uid}`,
    notBefore: new Date(nowMs - CLOCK_SKEW_MS),
    notAfter,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    keys,
    extensions: [
      // Its own authority: strict verifiers (Python 3.13) accept a pinned certificate only in this form.
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyCertSign, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(keys.publicKey),
      new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: `hq-${uid}` }]),
    ],
  });
  const key = KeyObject.from(keys.privateKey as webcrypto.CryptoKey).export({ type: 'pkcs8', format: 'pem' });
  return { certificate: `${certificate.toString('pem')}\n`, key: String(key) };
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

/** The library's dependency injection asks for decorator metadata, of which nothing is used here. */
async function loadX509(): Promise<typeof import('@peculiar/x509')> {
  const reflect = Reflect as unknown as Record<'getMetadata' | 'getOwnMetadata' | 'defineMetadata', (() => unknown) | undefined>;
  reflect.getMetadata ??= () => undefined;
  reflect.getOwnMetadata ??= () => undefined;
  reflect.defineMetadata ??= () => undefined;
  const x509 = await import('@peculiar/x509');
  x509.cryptoProvider.set(webcrypto);
  return x509;
}
