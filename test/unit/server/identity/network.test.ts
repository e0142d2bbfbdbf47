/** The certificate in a real TLS connection, the addresses in the access files and the place of the socket. */
import { webcrypto, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, chownSync, lstatSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import { expect, onTestFinished, test } from 'vitest';
import { connectEndpoint } from '../../../../src/net/connect.ts';
import { listAddresses, serverAddresses } from '../../../../src/server/identity/addresses.ts';
import { certificateProblem, makeCertificate } from '../../../../src/server/identity/certificate.ts';
import { chooseSocketPath } from '../../../../src/server/identity/socketPath.ts';
import { loadX509 } from '../../net/certificate.ts';
import { makeDir } from '../journal/helpers.ts';

const YEAR_MS = 365 * 86_400_000;

test('the certificate is its own authority for ten years, and two are never alike', async () => {
  const now = Date.now();
  const [one, two] = [makeCertificate('abc123', now), makeCertificate('abc123', now)];
  const parsed = new X509Certificate(one.certificate);
  expect(parsed.subject).toBe('CN=hq-bridge abc123');
  expect(parsed.verify(parsed.publicKey)).toBe(true);
  expect(parsed.publicKey.asymmetricKeyDetails).toEqual({ namedCurve: 'prime256v1' });
  expect(Date.parse(parsed.validFrom)).toBeLessThan(now);
  expect(Math.round((Date.parse(parsed.validTo) - now) / YEAR_MS)).toBe(10);
  expect(certificateProblem(one, now)).toBeNull();
  expect(certificateProblem(one, now + 11 * YEAR_MS)).toMatch(/^the certificate ended on /);
  expect(certificateProblem({ certificate: one.certificate, key: two.key }, now)).toBe('the certificate belongs to another key');
  expect(parsed.serialNumber).not.toBe(new X509Certificate(two.certificate).serialNumber);
});

test('a library for certificates reads in it what is meant', async () => {
  const x509 = await loadX509();
  x509.cryptoProvider.set(webcrypto as never);
  const read = new x509.X509Certificate(makeCertificate('abc123', Date.now()).certificate);
  expect(await read.verify()).toBe(true);
  expect(read.issuer).toBe(read.subject);
  expect(read.getExtension(x509.BasicConstraintsExtension)).toMatchObject({ ca: true, critical: true, pathLength: undefined });
  const usages = x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyCertSign;
  expect(read.getExtension(x509.KeyUsagesExtension)).toMatchObject({ usages, critical: true });
  expect(read.getExtension(x509.ExtendedKeyUsageExtension)).toMatchObject({ usages: [x509.ExtendedKeyUsage.serverAuth], critical: false });
  const { keyId } = await x509.SubjectKeyIdentifierExtension.create(await read.publicKey.export());
  expect(read.getExtension(x509.SubjectKeyIdentifierExtension)?.keyId).toBe(keyId);
  expect(read.getExtension(x509.AuthorityKeyIdentifierExtension)?.keyId).toBe(keyId);
  expect(read.getExtension(x509.SubjectAlternativeNameExtension)?.names.toJSON()).toEqual([{ type: 'dns', value: 'hq-abc123' }]);
});

test('a certificate that ends after 2049 has the longer form of a date', () => {
  const { validFrom, validTo } = new X509Certificate(makeCertificate('abc123', Date.UTC(2044, 5, 7, 8, 9, 10)).certificate);
  expect([validFrom, validTo]).toEqual(['Jun  6 08:09:10 2044 GMT', 'Jun  7 08:09:10 2054 GMT']);
});

test('a peer connects with exactly this certificate and refuses any other', async () => {
  const [mine, other] = [makeCertificate('abc123', Date.now()), makeCertificate('abc123', Date.now())];
  const server = createServer({ key: mine.key, cert: mine.certificate, minVersion: 'TLSv1.3' });
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => new Promise<void>((resolve) => server.close(() => resolve())));
  const { port } = server.address() as { port: number };
  const endpoint = (certificate: string) => ({ hosts: ['127.0.0.1'], port, token: null, certificate });
  const connection = await connectEndpoint(endpoint(mine.certificate), { accessPath: 'a' });
  connection.destroy();
  await expect(connectEndpoint(endpoint(other.certificate), { accessPath: 'a' })).rejects.toMatchObject({
    code: 'HQ_E_SERVER_UNREACHABLE',
  });
});

test('addresses: the name, outward IPv4 addresses, loopback last; --host alone', () => {
  const address = (text: string, internal = false, family: 'IPv4' | 'IPv6' = 'IPv4') =>
    ({ address: text, internal, family, netmask: '', mac: '', cidr: null, scopeid: 0 }) as never;
  const interfaces = {
    lo: [address('127.0.0.1', true)],
    eth0: [address('10.1.2.3'), address('fe80::1', false, 'IPv6'), address('169.254.3.4')],
    ib0: [address('10.9.2.3'), address('10.1.2.3')],
    none: undefined,
  };
  expect(listAddresses('node1', interfaces)).toEqual(['node1', '10.1.2.3', '10.9.2.3', '127.0.0.1']);
  expect(listAddresses('', {})).toEqual(['127.0.0.1']);
  expect(serverAddresses({ host: 'login.example' })).toEqual(['login.example']);
  expect(serverAddresses().at(-1)).toBe('127.0.0.1');
});

test('the socket lies in the private runtime directory, else in one of our own below the temporary directory', () => {
  const dir = makeDir();
  const choose = (env: Record<string, string>) => chooseSocketPath({ serverUid: 'abc123', env, tmpDirs: [dir] });
  const mine = join(dir, `hq-${process.geteuid?.()}`);
  expect(choose({})).toEqual({ path: join(mine, 'hq-abc123.sock'), passedOver: [] });
  expect(lstatSync(mine).mode & 0o777).toBe(0o700);
  expect(choose({}).path).toBe(join(mine, 'hq-abc123.sock'));
  const runtime = join(dir, 'run');
  mkdirSync(runtime, { mode: 0o700 });
  expect(choose({ XDG_RUNTIME_DIR: runtime })).toEqual({ path: join(runtime, 'hq-abc123.sock'), passedOver: [] });
  chmodSync(runtime, 0o755);
  expect(choose({ XDG_RUNTIME_DIR: runtime })).toEqual({
    path: join(mine, 'hq-abc123.sock'),
    passedOver: [`${runtime}: others can enter it`],
  });
  expect(choose({ XDG_RUNTIME_DIR: join(dir, 'missing') }).passedOver).toEqual([`${join(dir, 'missing')}: it does not exist`]);
  expect(choose({ XDG_RUNTIME_DIR: 'relative' })).toEqual({ path: join(mine, 'hq-abc123.sock'), passedOver: [] });
  expect(readdirSync(mine)).toEqual([]);
});

test('a directory that somebody else prepared is passed over', () => {
  const prepare = [
    ['it is a symbolic link', (path: string) => symlinkSync('/etc', path)],
    ['it is not a directory', (path: string) => writeFileSync(path, '')],
    ['others can enter it', (path: string) => mkdirSync(path, { mode: 0o755 })],
  ] as const;
  for (const [why, put] of prepare) {
    const dir = makeDir();
    const trap = join(dir, `hq-${process.geteuid?.()}`);
    put(trap);
    const { path, passedOver } = chooseSocketPath({ serverUid: 'abc123', env: {}, tmpDirs: [dir] });
    expect([path, passedOver.length]).toEqual([null, 1]);
    expect(passedOver[0]).toContain(`${trap}: ${why}`);
  }
  if (process.geteuid?.() !== 0) return;
  const dir = makeDir();
  const trap = join(dir, 'hq-0');
  mkdirSync(trap, { mode: 0o700 });
  chownSync(trap, 65_534, 65_534);
  expect(chooseSocketPath({ serverUid: 'abc123', env: {}, tmpDirs: [dir] }).passedOver[0]).toBe(`${trap}: it belongs to somebody else`);
});

test('a path that is too long for a socket is passed over', () => {
  const long = join(makeDir(), 'x'.repeat(100));
  mkdirSync(long, { mode: 0o700 });
  const { path, passedOver } = chooseSocketPath({ serverUid: 'abc123', env: { XDG_RUNTIME_DIR: long }, tmpDirs: [makeDir()] });
  expect(passedOver).toEqual([`${long}: the socket path would be longer than 107 bytes`]);
  expect(path).toMatch(/hq-abc123\.sock$/);
});
