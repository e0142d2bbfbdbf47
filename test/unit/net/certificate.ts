/** A self-signed certificate for tests of TLS connections. */
import { webcrypto } from 'node:crypto';

/** @returns PEM texts of a new key and its certificate */
export async function makeCertificate(name = 'hq'): Promise<{ key: string; certificate: string }> {
  const { cryptoProvider, X509CertificateGenerator } = await loadX509();
  // The library's types name the browser's global; this is the same interface.
  cryptoProvider.set(webcrypto as never);
  const keys = await webcrypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: '01',
    name: `CN=${name}`,
    notBefore: new Date(Date.now() - 60_000),
    notAfter: new Date(Date.now() + 3_600_000),
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    keys,
  });
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  const key = `-----BEGIN PRIVATE KEY-----\n${der.replace(/(.{64})/g, '$1\n')}\n-----END PRIVATE KEY-----\n`;
  return { key, certificate: certificate.toString('pem') };
}

/** A library for certificates; its dependency injection insists on decorator metadata, of which nothing is used here. */
export function loadX509(): Promise<typeof import('@peculiar/x509')> {
  const reflect = Reflect as unknown as { getMetadata?: () => undefined; getOwnMetadata?: () => undefined; defineMetadata?: () => void };
  reflect.getMetadata ??= () => undefined;
  reflect.getOwnMetadata ??= () => undefined;
  reflect.defineMetadata ??= () => {};
  return import('@peculiar/x509');
}
