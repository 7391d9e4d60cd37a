import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { hostname } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { parseConfig } from '../config/index.ts';
import { GatewayError } from '../errors.ts';
import { selfSigned } from '../security/certificate.ts';
import { Identities } from '../security/identities.ts';
import { newSecret, sealPassword } from '../security/secrets.ts';
import { configTemplate, gatewayName } from '../setup/template.ts';
import { writeFileAtomic } from '../system/files.ts';
import type { Command } from './command.ts';

const CERTIFICATE_DAYS = 3650;
const ADMIN = 'admin';

/** `init`: everything a new gateway needs. What is there is kept, or put aside with a time stamp. */
export const init: Command = {
  name: 'init',
  summary: 'write a configuration, keys, a certificate and the first login',
  usage: ['init [DIR]'],
  help: `
Writes into DIR (default: the current folder): gateway.yaml, the device key and its passphrase (keys/), a self-signed
certificate (tls/) and the first login (data/identities.json), whose password is shown once. An existing gateway.yaml is put aside
as gateway.yaml.<time>.bak; existing keys, certificates and logins are kept.`,
  async run(context) {
    if (context.positionals.length > 1) {
      throw new GatewayError('USAGE', 'init takes one folder', { received: context.positionals.join(' ') });
    }
    const folder = resolve(context.configFile, '..', context.positionals[0] ?? '.');
    const now = Date.now();
    mkdirSync(folder, { recursive: true });
    const name = gatewayName(hostname());
    const { createKeystore } = await import('../billing/keys/keystore.ts');
    const keys = await createKeystore(join(folder, 'keys'));
    const tls = writeCertificate(folder, name, now);
    const inFolder = (file: string): string => `./${relative(folder, file)}`;
    const text = configTemplate({
      name,
      cert: inFolder(tls.cert),
      key: inFolder(tls.key),
      keystore: inFolder(keys.keystore),
      passphraseFile: inFolder(keys.passphraseFile),
    });
    const file = join(folder, 'gateway.yaml');
    const { config } = parseConfig(text, file);
    const backup = putAside(file, now);
    writeFileAtomic(file, text);
    const password = await firstLogin(config.gateway.dataDir, now);
    const done = {
      file,
      backup,
      keystore: keys.keystore,
      certificate: tls.cert,
      fingerprint: tls.fingerprint,
    };
    context.print({ ...done, login: password === null ? null : { name: ADMIN, password } }, () => {
      const { bold, dim } = context.ui.style;
      return [
        `configuration  ${file}${backup === null ? '' : dim(` (the old one is ${backup})`)}`,
        `device key     ${keys.keystore}`,
        `certificate    ${tls.cert}${tls.fingerprint === null ? dim(' (kept)') : ''}`,
        ...(tls.fingerprint === null ? [] : [dim(`               SHA-256 ${tls.fingerprint}`)]),
        '',
        password === null
          ? 'The logins that exist are kept.'
          : `First login, shown only now:  ${bold(ADMIN)}  ${bold(password)}`,
        '',
        'Next:',
        `  aimx-gateway check --config ${file}`,
        `  aimx-gateway devices add NAME --config ${file}`,
        `  aimx-gateway start --config ${file}`,
      ].join('\n');
    });
    return 0;
  },
};

function writeCertificate(
  folder: string,
  name: string,
  now: number,
): { cert: string; key: string; fingerprint: string | null } {
  const cert = join(folder, 'tls', 'cert.pem');
  const key = join(folder, 'tls', 'key.pem');
  if (existsSync(cert) && existsSync(key)) return { cert, key, fingerprint: null };
  mkdirSync(join(folder, 'tls'), { recursive: true, mode: 0o700 });
  putAside(cert, now);
  putAside(key, now);
  const hosts = [name, `${name}.local`, 'localhost', '127.0.0.1', '::1'];
  const made = selfSigned({ name, hosts, now, days: CERTIFICATE_DAYS });
  writeFileAtomic(key, made.key, 0o600);
  writeFileAtomic(cert, made.cert);
  return { cert, key, fingerprint: made.fingerprint };
}

/** Renames what is there; answers its new name. */
function putAside(file: string, now: number): string | null {
  if (!existsSync(file)) return null;
  const backup = `${file}.${new Date(now).toISOString().replaceAll(/[:.]/g, '-')}.bak`;
  renameSync(file, backup);
  return backup;
}

/** The password of the first admin; null when somebody can log in already. */
async function firstLogin(dataDir: string, now: number): Promise<string | null> {
  const identities = new Identities(dataDir);
  if (identities.people().length > 0) return null;
  const password = newSecret();
  identities.addPerson(ADMIN, 'admin', await sealPassword(password), now);
  return password;
}
