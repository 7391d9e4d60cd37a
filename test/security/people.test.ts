import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../gateway/config/index.ts';
import { createAccess } from '../../gateway/security/index.ts';
import { choosePassword } from '../../gateway/security/passwords.ts';
import { verifySecret } from '../../gateway/security/secrets.ts';
import { placeOf } from '../../gateway/security/throttle.ts';
import { manualClock } from '../support/clock.ts';
import { recordingLog } from '../support/log.ts';
import { cheapPassword } from '../support/people.ts';
import { temporaryFolder } from '../support/tmp.ts';

const { config } = parseConfig('', '/x/gateway.yaml');
const HOUR = 3_600_000;

async function setUp(dataDir = temporaryFolder(), clock = manualClock()) {
  const log = recordingLog();
  const access = createAccess({ config, dataDir, clock, log });
  if (!access.identities.person('ann'))
    access.identities.addPerson('ann', 'admin', cheapPassword('right'), 0);
  if (!access.identities.person('bob'))
    access.identities.addPerson('bob', 'viewer', cheapPassword('right'), 0);
  const login = async (name = 'ann', peer = '10.0.0.1', password = 'right'): Promise<string> => {
    const answer = await access.login(name, password, peer);
    return answer === null ? 'wrong' : answer === 'throttled' ? 'throttled' : answer.token;
  };
  return { access, clock, dataDir, log, login, file: join(dataDir, 'sessions.json') };
}

describe('a session', () => {
  it('is over after twelve hours, by logging out, and when the person is gone or has another password', async () => {
    const { access, clock, login } = await setUp();
    const timed = await login();
    expect(access.session(timed)).toMatchObject({ name: 'ann', role: 'admin' });
    clock.advance(12 * HOUR - 1);
    expect(access.session(timed)).toBeDefined();
    clock.advance(1);
    expect(access.session(timed)).toBeUndefined();
    const [one, two, three] = [await login(), await login(), await login('bob')];
    access.logout(one);
    expect(access.session(one)).toBeUndefined();
    expect(access.session(two)).toBeDefined();
    access.identities.changePassword('ann', cheapPassword('other'));
    expect(access.session(two)).toBeUndefined();
    access.identities.removePerson('bob');
    access.identities.addPerson('bob', 'admin', cheapPassword('right'), 1);
    expect(access.session(three)).toBeUndefined();
  });

  it('outlives a restart as a hash that opens nothing', async () => {
    const first = await setUp();
    const token = await first.login();
    await first.access.stop();
    expect(statSync(first.file).mode & 0o777).toBe(0o600);
    const text = readFileSync(first.file, 'utf8');
    expect(text).not.toContain(token);
    const second = await setUp(first.dataDir, first.clock);
    expect(second.access.session(token)).toMatchObject({ name: 'ann' });
    const { hash, proof } = JSON.parse(text).sessions[0];
    for (const stolen of [hash, proof, '', 'x'.repeat(300)]) {
      expect(second.access.session(stolen)).toBeUndefined();
      expect(await second.access.bearer(stolen, '10.0.0.1')).toBeNull();
    }
    first.clock.advance(12 * HOUR);
    expect((await setUp(first.dataDir, first.clock)).access.session(token)).toBeUndefined();
  });

  it('is no longer believed when the clock was set back to before it', async () => {
    const { access, clock, dataDir, login } = await setUp();
    const token = await login();
    await access.stop();
    clock.set(Date.UTC(1970, 0, 1));
    expect((await setUp(dataDir, clock)).access.session(token)).toBeUndefined();
  });

  it('costs a login, not the gateway, when the file is damaged', async () => {
    const { access, dataDir, file, login } = await setUp();
    await login();
    await access.stop();
    writeFileSync(file, '{"version":1,"sess');
    const again = await setUp(dataDir);
    expect(again.log.lines.some(({ message }) => message.includes('log in again'))).toBe(true);
    expect(again.access.session(await again.login())).toBeDefined();
  });

  it('of one person cannot push out those of another', async () => {
    const { access, login } = await setUp();
    const first = await login('bob');
    const oldest = await login();
    for (let i = 0; i < 20; i++) await login();
    expect(access.session(oldest)).toBeUndefined();
    expect(access.session(first)).toBeDefined();
    await access.stop();
  });
});

describe('guessing', () => {
  it('is slowed down by address, also when all guesses come at once', async () => {
    const { login, clock } = await setUp();
    const guesses = Array.from({ length: 40 }, () => login('ann', '10.0.0.1', 'wrong'));
    const answers = await Promise.all(guesses);
    expect(answers.filter((answer) => answer === 'wrong').length).toBe(6);
    expect(await login()).toBe('throttled');
    clock.advance(60_000);
    expect((await login()).length).toBe(32);
  });

  it('is slowed down by name over many addresses, and leaves people where they have been before alone', async () => {
    const { login } = await setUp();
    expect((await login('ann', '10.0.0.1')).length).toBe(32);
    for (let i = 0; i < 21; i++) expect(await login('ann', `192.0.2.${i}`, 'wrong')).toBe('wrong');
    expect(await login('ann', '192.0.2.99')).toBe('throttled');
    expect((await login('ann', '10.0.0.1')).length).toBe(32);
    expect((await login('bob', '192.0.2.98')).length).toBe(32);
    for (let i = 0; i < 21; i++) expect(await login('nobody', `198.51.100.${i}`, 'wrong')).toBe('wrong');
    expect(await login('nobody', '198.51.100.99')).toBe('throttled');
  });

  it('of one network of IPv6 is that of one place', () => {
    expect(placeOf('2001:db8:0:7::1')).toBe(placeOf('2001:db8:0:7:ffff:1:2:3'));
    expect(placeOf('2001:db8:0:7::1')).not.toBe(placeOf('2001:db8:0:8::1'));
    expect(placeOf('fe80::1%eth0')).toBe(placeOf('fe80::2'));
    expect(placeOf('::ffff:10.0.0.1')).toBe('10.0.0.1');
    expect(placeOf('10.0.0.1')).not.toBe(placeOf('10.0.0.2'));
  });

  it('takes as much work for a name that does not exist', async () => {
    const { access } = await setUp();
    access.identities.addPerson('eve', 'viewer', await choosePassword('eve', 'four words of hers'), 0);
    const spent = async (name: string): Promise<number> => {
      const begun = process.cpuUsage();
      await access.login(name, 'wrong', '10.0.0.1');
      const { user, system } = process.cpuUsage(begun);
      return user + system;
    };
    const known = await spent('eve');
    // Stretching is nearly all of it: without it the unknown name would cost a hundredth.
    expect(await spent('nobody')).toBeGreaterThan(known / 4);
  });
});

describe('a chosen password', () => {
  it('is long enough, and the same however it was typed', async () => {
    for (const weak of ['short', 'password1234', 'aaaaaaaaaaaa', 'annannann1', 'x'.repeat(600)]) {
      await expect(choosePassword('ann', weak), weak).rejects.toThrow(/not taken/);
    }
    const kept = await choosePassword('ann', 'Zwölf Boxkämpfer'.normalize('NFD'));
    expect(await verifySecret(kept, 'Zwölf Boxkämpfer'.normalize('NFC'))).toBe(true);
  });

  it('belongs to somebody, and the last admin stays', async () => {
    const { access } = await setUp();
    expect(() => access.identities.removePerson('ann')).toThrow(/last admin/);
    expect(() => access.identities.removePerson('nobody')).toThrow(/nobody called/);
    expect(() => access.identities.requirePerson('nobody')).toThrow(/nobody called/);
  });
});
