import { X509Certificate } from 'node:crypto';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runCli } from '../../gateway/commands/cli.ts';
import { Identities } from '../../gateway/security/identities.ts';
import { verifySecret } from '../../gateway/security/secrets.ts';
import { gatewayName } from '../../gateway/setup/template.ts';
import { recordingTerminal } from '../support/terminal.ts';
import { temporaryFolder } from '../support/tmp.ts';

async function run(argv: string[], cwd: string) {
  const terminal = recordingTerminal(cwd);
  return { code: await runCli(argv, terminal), out: terminal.out(), err: terminal.err() };
}

describe('init', () => {
  it('writes what a new gateway needs, private where it must be, and it passes check', async () => {
    const folder = temporaryFolder();
    const made = JSON.parse((await run(['init', '--json'], folder)).out);
    expect((await run(['check'], folder)).code).toBe(0);
    for (const [file, mode] of [
      ['keys/device.json', 0o400],
      ['keys/passphrase', 0o400],
      ['tls/key.pem', 0o600],
      ['data/identities.json', 0o600],
    ] as const) {
      expect(statSync(join(folder, file)).mode & 0o777, file).toBe(mode);
    }
    const certificate = new X509Certificate(readFileSync(join(folder, 'tls/cert.pem')));
    expect(certificate.fingerprint256).toBe(made.fingerprint);
    const admin = new Identities(join(folder, 'data')).person('admin')!;
    expect(await verifySecret(admin.secret, made.login.password)).toBe(true);
    expect(admin.secret.kind).toBe('scrypt');
    const everything = readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'))
      .join('\n');
    expect(everything).not.toContain(made.login.password);
  });

  it('puts an old configuration aside and keeps keys, certificate and logins', async () => {
    const folder = temporaryFolder();
    await run(['init', 'site'], folder);
    const site = join(folder, 'site');
    writeFileSync(join(site, 'gateway.yaml'), '# mine\n');
    const before =
      readFileSync(join(site, 'keys/device.json'), 'utf8') + readFileSync(join(site, 'tls/key.pem'), 'utf8');
    const again = JSON.parse((await run(['init', 'site', '--json'], folder)).out);
    expect(readFileSync(again.backup, 'utf8')).toBe('# mine\n');
    expect(again.login).toBeNull();
    expect(
      readFileSync(join(site, 'keys/device.json'), 'utf8') + readFileSync(join(site, 'tls/key.pem'), 'utf8'),
    ).toBe(before);
  });

  it('makes a name of any host name', () => {
    expect(gatewayName('Plant 7.local')).toBe('plant-7');
    expect(gatewayName('--')).toBe('gateway');
    expect(gatewayName('ÄÖ')).toBe('gateway');
  });
});

describe('devices without a running gateway', () => {
  it('are added, listed, imported and revoked in the file', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'gateway.yaml'), 'streams: [{ id: a }]\n');
    const added = JSON.parse((await run(['devices', 'add', 'press-1', '--json'], folder)).out);
    expect(added.secret.length).toBe(32);
    expect((await run(['devices', 'add', 'press-1'], folder)).err).toContain('IDENTITY_EXISTS');
    expect((await run(['devices', 'add', 'x', '--role', 'king'], folder)).code).toBe(2);
    writeFileSync(join(folder, 'd.csv'), 'name,role\nred,integrator\nblue,\n');
    const imported = await run(['devices', 'import', join(folder, 'd.csv')], folder);
    expect(imported.out).toMatch(/2 devices imported\nred,\S{32}\nblue,\S{32}/);
    expect((await run(['devices', 'revoke', 'press-1'], folder)).code).toBe(0);
    expect((await run(['devices', 'revoke', 'press-1'], folder)).err).toContain('IDENTITY_UNKNOWN');
    const names = JSON.parse((await run(['devices', 'list', '--json'], folder)).out).map(
      (d: { name: string }) => d.name,
    );
    expect(names).toEqual(['red', 'blue']);
    const wrong = await run(['devices', 'lst'], folder);
    expect(wrong.code).toBe(2);
    expect(wrong.err).toContain('Did you mean `aimx-gateway devices list`?');
  });

  it('other commands say plainly that it does not run', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'gateway.yaml'), 'streams: [{ id: a }]\n');
    const status = await run(['status'], folder);
    expect(status.code).toBe(1);
    expect(status.err).toContain('GATEWAY_DOWN');
    for (const argv of [['audit'], ['receipts', 'list']]) {
      const answer = await run(argv, folder);
      expect(answer.code, argv.join(' ')).toBe(1);
      expect(answer.err).toContain('never run');
    }
  });
});
