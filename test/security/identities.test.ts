import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Identities } from '../../gateway/security/identities.ts';
import { devicesFromCsv } from '../../gateway/security/import.ts';
import { publishLocalApi, readLocalApi, withdrawLocalApi } from '../../gateway/security/local-api.ts';
import { verifySecret } from '../../gateway/security/secrets.ts';
import { Throttle } from '../../gateway/security/throttle.ts';
import { manualClock } from '../support/clock.ts';
import { temporaryFolder } from '../support/tmp.ts';

describe('the identity file', () => {
  it('is private, holds no secret and leaves no other file behind', () => {
    const folder = temporaryFolder();
    const identities = new Identities(folder);
    const secret = identities.addDevice('a', 'device', 1);
    const token = identities.addToken('t', 'viewer', 1);
    expect(Buffer.from(secret, 'base64url').length).toBe(24);
    expect(statSync(identities.file).mode & 0o777).toBe(0o600);
    const text = readFileSync(identities.file, 'utf8');
    expect(text).not.toContain(secret);
    expect(text).not.toContain(token.split('.')[1]);
    expect(readdirSync(folder)).toEqual(['identities.json']);
  });

  it('does not lose what another process has written', () => {
    const folder = temporaryFolder();
    const one = new Identities(folder);
    const two = new Identities(folder);
    one.addDevice('a', 'device', 1);
    two.addDevice('b', 'device', 1);
    expect(one.reload()).toBe(true);
    expect(one.devices().map((d) => d.name)).toEqual(['a', 'b']);
    expect(() => one.addDevice('b', 'device', 1)).toThrow(/already/);
    expect(() => one.revokeDevice('c')).toThrow(/no device/);
  });

  it('keeps what it knew when the file is damaged, and refuses one that others may read', () => {
    const folder = temporaryFolder();
    const identities = new Identities(folder);
    identities.addDevice('a', 'device', 1);
    writeFileSync(identities.file, '{ "version": 1,');
    expect(() => identities.reload()).toThrow(/not JSON/);
    expect(identities.device('a')).toBeDefined();
    writeFileSync(identities.file, '{ "version": 2 }');
    expect(() => new Identities(folder)).toThrow(/damaged/);
    chmodSync(identities.file, 0o644);
    expect(() => new Identities(folder)).toThrow(/others may read/);
  });
});

describe('import from CSV', () => {
  it('takes given passwords and makes missing ones', async () => {
    const text = '\uFEFFname,password,role\r\n"press, 1",longenough,\r\nnode-red,,integrator\r\n\r\n';
    const devices = await devicesFromCsv(text, 5);
    expect(devices.map((d) => [d.identity.name, d.identity.role, d.identity.secret.kind])).toEqual([
      ['press, 1', 'device', 'scrypt'],
      ['node-red', 'integrator', 'sha256'],
    ]);
    expect(devices[0]!.secret).toBeUndefined();
    expect(await verifySecret(devices[0]!.identity.secret, 'longenough')).toBe(true);
    expect(await verifySecret(devices[1]!.identity.secret, devices[1]!.secret!)).toBe(true);
  });

  it('names every bad line and imports nothing', async () => {
    const text = 'name,password\na,longenough\na,longenough\nb/c,longenough\nd,short\ne\n';
    await expect(devicesFromCsv(text, 5)).rejects.toThrow(
      /line 3: .*twice.*line 4: .*line 5: .*5 characters.*line 6/,
    );
    await expect(devicesFromCsv('device,secret\na,b\n', 5)).rejects.toThrow(/header/);
  });
});

it('the local access file is private and vanishes', () => {
  const folder = temporaryFolder();
  publishLocalApi(folder, { url: 'http://127.0.0.1:1', token: 't', pid: process.pid, startedAt: 1 });
  expect(statSync(`${folder}/local-api.json`).mode & 0o777).toBe(0o600);
  expect(readLocalApi(folder)?.token).toBe('t');
  publishLocalApi(folder, { url: 'http://127.0.0.1:1', token: 't', pid: 2 ** 30, startedAt: 1 });
  expect(readLocalApi(folder)).toBeUndefined();
  withdrawLocalApi(folder);
  expect(readLocalApi(folder)).toBeUndefined();
});

it('the throttle is bounded and forgets the oldest first', () => {
  const clock = manualClock();
  const throttle = new Throttle(clock);
  const fail = (peer: string): void => {
    for (let i = 0; i < 7; i++) throttle.failed(peer);
  };
  fail('first');
  expect(throttle.blocked('first')).toBe(true);
  for (let i = 0; i < 4096; i++) throttle.failed(`p${i}`);
  expect(throttle.blocked('first')).toBe(false);
});
