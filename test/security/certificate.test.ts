import { X509Certificate } from 'node:crypto';
import { connect, createServer } from 'node:tls';
import { expect, it } from 'vitest';
import { selfSigned } from '../../gateway/security/certificate.ts';

const NOW = Date.now();

it('is an X.509 certificate that OpenSSL accepts, with every name', () => {
  const made = selfSigned({
    name: 'plant-7',
    hosts: ['plant-7.local', 'localhost', '127.0.0.1', '::1', 'fe80::1:2'],
    now: NOW,
    days: 365,
  });
  const certificate = new X509Certificate(made.cert);
  expect(certificate.verify(certificate.publicKey)).toBe(true);
  expect(certificate.subject).toBe('CN=plant-7');
  expect(certificate.ca).toBe(false);
  expect(certificate.fingerprint256).toBe(made.fingerprint);
  expect(certificate.checkHost('plant-7.local')).toBe('plant-7.local');
  expect(certificate.checkHost('elsewhere')).toBeUndefined();
  expect(certificate.checkIP('127.0.0.1')).toBe('127.0.0.1');
  expect(certificate.checkIP('::1')).toBeDefined();
  expect(certificate.checkIP('fe80::1:2')).toBeDefined();
  expect(certificate.checkIP('10.0.0.1')).toBeUndefined();
  expect(Math.round((certificate.validToDate.getTime() - NOW) / 86_400_000)).toBe(365);
  expect(certificate.validFromDate.getTime()).toBeLessThan(NOW);
});

it('lasts beyond 2049', () => {
  const { cert } = selfSigned({ name: 'x', hosts: ['x'], now: NOW, days: 36_500 });
  expect(new X509Certificate(cert).validToDate.getUTCFullYear()).toBeGreaterThan(2100);
});

it('serves TLS to a client that trusts it', async () => {
  const { cert, key } = selfSigned({ name: 'gateway', hosts: ['localhost'], now: NOW, days: 30 });
  const server = createServer({ cert, key }, (socket) => socket.end('hello'));
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as { port: number };
  const text = await new Promise<string>((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', servername: 'localhost', ca: cert }, () => {
      expect(socket.authorized).toBe(true);
    });
    socket.on('data', (data) => resolve(data.toString()));
    socket.on('error', reject);
  });
  expect(text).toBe('hello');
  await new Promise((done) => server.close(done));
});
