import { existsSync, mkdirSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { createKeystore } from '../billing/index.ts';
import type { LoadOptions } from '../config/index.ts';
import { GatewayError } from '../errors.ts';
import {
  type SetupAdmin,
  type SetupBody,
  type SetupDone,
  type SetupView,
  sessionToken,
} from '../http/index.ts';
import type { Clock } from '../ports/clock.ts';
import { selfSigned } from '../security/certificate.ts';
import type { Access } from '../security/index.ts';
import { choosePassword } from '../security/passwords.ts';
import { diffLines } from '../settings/diff.ts';
import { etagOf, readSettings, writeSettings } from '../settings/file.ts';
import { checkText } from '../settings/index.ts';
import { writeFileAtomic } from '../system/files.ts';
import type { Claim } from './claim.ts';
import { configDocument } from './document.ts';
import { checkAll, checkStep } from './steps.ts';
import { gatewayName } from './template.ts';
import type { Wifi } from './wifi.ts';

const CERTIFICATE_DAYS = 3650;

export interface SetupAdminParts {
  /** Absolute path of gateway.yaml. */
  readonly file: string;
  readonly version: string;
  readonly claim: Claim;
  readonly wifi: Wifi;
  readonly clock: Clock;
  /** Logins that exist already. */
  readonly access: Access;
  /** Why an earlier try could not start; null when there was none. */
  readonly failure: GatewayError | null;
  models(): LoadOptions['models'];
  /** Where the page is. */
  port(): number;
  /** A valid configuration is in place. */
  done(): void;
}

/** What `/api/v1/setup` does. Nothing is written before every entry is right. */
export function createSetupAdmin(parts: SetupAdminParts): SetupAdmin & { available(): Promise<void> } {
  const { file, claim, wifi, access, clock, failure } = parts;
  let finishing = false;
  let finished = false;
  let wireless = false;

  const end = (answer: SetupDone): SetupDone => {
    finished = true;
    parts.done();
    return answer;
  };

  return {
    async available() {
      wireless = await wifi.available();
    },
    view(known): SetupView {
      const found = readSettings(file);
      const checked = found ? checkText(found.text, file, parts.models()) : undefined;
      const error = failure ?? checked?.error ?? null;
      return {
        state: finished
          ? 'starting'
          : !found
            ? 'missing'
            : failure
              ? 'failed'
              : checked?.config
                ? 'starting'
                : 'broken',
        claimed: known,
        people: access.identities.people().length > 0,
        version: parts.version,
        error: error && {
          code: error.code,
          message: known ? error.message : 'it cannot be used',
          fix: error.fix,
        },
        issues: known ? (checked?.issues ?? []) : [],
        text: known ? (found?.text ?? null) : null,
        etag: found?.etag ?? null,
        suggested: { name: gatewayName(hostname()) },
        wifi: { available: wireless },
      };
    },
    async knows(headers, peer) {
      const token = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1];
      if (token === undefined) return access.session(sessionToken(headers) ?? '')?.role === 'admin';
      return claim.holds(token) || (await access.bearer(token, peer))?.role === 'admin';
    },
    claim: (code, peer) => claim.give(code, peer),
    networks: () => wifi.networks(),
    check: (step, entries) => checkStep(step, entries, wifi),
    async finish(body) {
      if (finishing || finished)
        throw new GatewayError('SETUP_ENTRIES', 'the setup is being finished already');
      finishing = true;
      try {
        return end(await write(body));
      } finally {
        finishing = false;
      }
    },
    checkText(text) {
      const { config, issues } = checkText(text, file, parts.models());
      const diff = diffLines(readSettings(file)?.text ?? '', text);
      return { valid: config !== undefined, issues, diff, changes: [], restart: false };
    },
    saveText(text, seen) {
      const { config, error } = checkText(text, file, parts.models());
      if (!config) throw error;
      const backup = writeSettings(
        file,
        text,
        readSettings(file) === null && seen === etagOf('') ? null : seen,
      );
      return end({ file, backup, url: `http://${config.listen.host}:${config.listen.http.port}` });
    },
  };

  async function write(body: SetupBody): Promise<SetupDone> {
    const { place, admin, links } = body;
    const problems = await checkAll(body, wifi);
    if (!admin && access.identities.people().length === 0)
      problems.push({
        field: 'admin',
        code: 'SETUP_ENTRIES',
        message: 'nobody could log in',
        fix: 'Add an admin.',
      });
    if (problems.length > 0)
      throw new GatewayError(
        'SETUP_ENTRIES',
        problems.map(({ field, message }) => `${field}: ${message}`).join('; '),
      );
    if (place.wifi) await wifi.connect(place.wifi.ssid, place.wifi.password);
    const folder = dirname(file);
    mkdirSync(folder, { recursive: true });
    const keys = await createKeystore(join(folder, 'keys'));
    const inFolder = (path: string): string => `./${relative(folder, path)}`;
    const passwordFile = keepPassword(folder, links.upstream?.password);
    const text = configDocument({
      entries: body,
      port: parts.port(),
      ...certificate(folder, place.name, inFolder),
      keystore: inFolder(keys.keystore),
      passphraseFile: inFolder(keys.passphraseFile),
      passwordFile: passwordFile && inFolder(passwordFile),
    });
    const { config, error } = checkText(text, file, parts.models());
    if (!config) throw error;
    if (admin && !access.identities.person(admin.name)) {
      const secret = await choosePassword(admin.name, admin.password);
      access.identities.addPerson(admin.name, 'admin', secret, clock.now());
    }
    const backup = writeSettings(file, text, readSettings(file)?.etag ?? null);
    return { file, backup, url: `http://${config.listen.host}:${config.listen.http.port}` };
  }

  function certificate(folder: string, name: string, inFolder: (path: string) => string) {
    const cert = join(folder, 'tls', 'cert.pem');
    const key = join(folder, 'tls', 'key.pem');
    if (!existsSync(cert) || !existsSync(key)) {
      mkdirSync(dirname(cert), { recursive: true, mode: 0o700 });
      const hosts = [name, `${name}.local`, 'localhost', '127.0.0.1', '::1'];
      const made = selfSigned({ name, hosts, now: clock.now(), days: CERTIFICATE_DAYS });
      writeFileAtomic(key, made.key, 0o600);
      writeFileAtomic(cert, made.cert);
    }
    return { cert: inFolder(cert), key: inFolder(key) };
  }
}

/** The password of the upstream in a file of its own; answers its path. */
function keepPassword(folder: string, password: string | undefined): string | undefined {
  if (password === undefined) return undefined;
  const path = join(folder, 'keys', 'upstream-password');
  writeFileAtomic(path, password, 0o600);
  return path;
}
