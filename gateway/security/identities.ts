import { mkdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { GatewayError } from '../errors.ts';
import { writeFileAtomic } from '../system/files.ts';
import {
  type ApiToken,
  type DeviceIdentity,
  type DeviceRole,
  type IdentityFile,
  type PersonIdentity,
  type PersonRole,
  readIdentityFile,
} from './identity-file.ts';
import { newSecret, type StoredSecret, sealRandom } from './secrets.ts';

const MAX_DEVICES = 50_000;
const MAX_PEOPLE = 1000;
const MAX_TOKENS = 1000;
const MAX_NAME = 128;
// The separators of topics and shares, of `user:password`, and what would disturb a terminal or log line.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const FORBIDDEN = /[\u0000-\u001f\u007f-\u009f/+#$:]/;

/** Who no device and no person can be: the gateway's own command line and flows, and everybody. */
const RESERVED: ReadonlySet<string> = new Set(['anonymous', 'aimx', 'aimx-flows']);

/** File name inside the data folder. */
export const IDENTITIES_FILE = 'identities.json';

/** @throws GatewayError IDENTITY_NAME */
export function checkName(name: string): void {
  const fine = name.length > 0 && name.length <= MAX_NAME && name.isWellFormed() && !FORBIDDEN.test(name);
  if (fine && !RESERVED.has(name) && name.trim() === name) return;
  throw new GatewayError('IDENTITY_NAME', 'this name is not allowed', {
    received: name.slice(0, MAX_NAME + 1),
    expected: `1 to ${MAX_NAME} characters, none of ${[...RESERVED].join(', ')}, without / + # $ : and spaces around it`,
  });
}

/**
 * Devices, people and API tokens in one file, mode 0600, replaced in one step. Every change reads the file first, so
 * that the command line and a running gateway do not undo each other's work.
 */
export class Identities {
  readonly file: string;
  #content: IdentityFile = { version: 1, devices: [], people: [], tokens: [] };
  #devices = new Map<string, DeviceIdentity>();
  #people = new Map<string, PersonIdentity>();
  #tokens = new Map<string, ApiToken>();
  #stamp = '';

  constructor(dataDir: string) {
    this.file = join(dataDir, IDENTITIES_FILE);
    this.reload();
  }

  /**
   * Reads the file again when it has changed. Answers whether it had.
   * @throws GatewayError IDENTITY_FILE; what was known before stays
   */
  reload(): boolean {
    const stamp = this.#stampOnDisk();
    if (stamp === this.#stamp) return false;
    const content =
      stamp === ''
        ? { version: 1 as const, devices: [], people: [], tokens: [] }
        : readIdentityFile(this.file);
    this.#stamp = stamp;
    this.#adopt(content);
    return true;
  }

  device(name: string): DeviceIdentity | undefined {
    return this.#devices.get(name);
  }

  person(name: string): PersonIdentity | undefined {
    return this.#people.get(name);
  }

  /** @throws GatewayError IDENTITY_UNKNOWN */
  requirePerson(name: string): PersonIdentity {
    const person = this.#people.get(name);
    if (!person) throw nobodyCalled(name, this.#content);
    return person;
  }

  token(id: string): ApiToken | undefined {
    return this.#tokens.get(id);
  }

  devices(): readonly DeviceIdentity[] {
    return this.#content.devices;
  }

  people(): readonly PersonIdentity[] {
    return this.#content.people;
  }

  tokens(): readonly ApiToken[] {
    return this.#content.tokens;
  }

  /** Adds a device and answers its secret, which is kept nowhere. */
  addDevice(name: string, role: DeviceRole, now: number): string {
    const secret = newSecret();
    this.addDevices([{ name, role, secret: sealRandom(secret), createdAt: now }]);
    return secret;
  }

  /** Adds several, all or none. */
  addDevices(devices: readonly DeviceIdentity[]): void {
    this.#change((content) => {
      const names = new Set(content.devices.map((device) => device.name));
      for (const device of devices) {
        checkName(device.name);
        if (names.has(device.name)) throw taken('device', device.name);
        names.add(device.name);
      }
      if (names.size > MAX_DEVICES) throw full(MAX_DEVICES);
      return { ...content, devices: [...content.devices, ...devices] };
    });
  }

  /** @throws GatewayError IDENTITY_UNKNOWN */
  revokeDevice(name: string): void {
    this.#change((content) => {
      const devices = content.devices.filter((device) => device.name !== name);
      if (devices.length === content.devices.length) {
        throw new GatewayError('IDENTITY_UNKNOWN', `there is no device ${JSON.stringify(name)}`, {
          received: name,
        });
      }
      return { ...content, devices };
    });
  }

  addPerson(name: string, role: PersonRole, secret: StoredSecret, now: number): void {
    checkName(name);
    this.#change((content) => {
      if (content.people.some((person) => person.name === name)) throw taken('person', name);
      if (content.people.length >= MAX_PEOPLE) throw full(MAX_PEOPLE);
      return { ...content, people: [...content.people, { name, role, secret, createdAt: now }] };
    });
  }

  /**
   * Another password: whoever is logged in under the old one no longer is.
   * @throws GatewayError IDENTITY_UNKNOWN
   */
  changePassword(name: string, secret: StoredSecret): void {
    this.#change((content) => {
      if (!content.people.some((person) => person.name === name)) throw nobodyCalled(name, content);
      const people = content.people.map((person) => (person.name === name ? { ...person, secret } : person));
      return { ...content, people };
    });
  }

  /** @throws GatewayError IDENTITY_UNKNOWN, IDENTITY_LAST_ADMIN */
  removePerson(name: string): void {
    this.#change((content) => {
      const people = content.people.filter((person) => person.name !== name);
      if (people.length === content.people.length) throw nobodyCalled(name, content);
      if (!people.some(({ role }) => role === 'admin'))
        throw new GatewayError('IDENTITY_LAST_ADMIN', `${name} is the last admin`, { received: name });
      return { ...content, people };
    });
  }

  /** Adds an API token and answers it as `<id>.<secret>`; only its hash is kept. */
  addToken(name: string, role: PersonRole, now: number): string {
    checkName(name);
    const id = newSecret().slice(0, 8);
    const secret = newSecret();
    this.#change((content) => {
      if (content.tokens.some((token) => token.name === name)) throw taken('token', name);
      if (content.tokens.length >= MAX_TOKENS) throw full(MAX_TOKENS);
      const token = { id, name, role, secret: sealRandom(secret), createdAt: now };
      return { ...content, tokens: [...content.tokens, token] };
    });
    return `${id}.${secret}`;
  }

  /** @throws GatewayError IDENTITY_UNKNOWN */
  revokeToken(name: string): void {
    this.#change((content) => {
      const tokens = content.tokens.filter((token) => token.name !== name);
      if (tokens.length === content.tokens.length) {
        throw new GatewayError('IDENTITY_UNKNOWN', `there is no token ${JSON.stringify(name)}`, {
          received: name,
          expected: content.tokens.map((token) => token.name).join(', ') || 'none was added yet',
          fix: 'List what there is with `aimx-gateway tokens list`.',
        });
      }
      return { ...content, tokens };
    });
  }

  #change(edit: (content: IdentityFile) => IdentityFile): void {
    this.reload();
    const content = edit(this.#content);
    mkdirSync(dirname(this.file), { recursive: true, mode: 0o700 });
    writeFileAtomic(this.file, `${JSON.stringify(content, null, 1)}\n`, 0o600);
    this.#stamp = this.#stampOnDisk();
    this.#adopt(content);
  }

  #adopt(content: IdentityFile): void {
    this.#content = content;
    this.#devices = new Map(content.devices.map((device) => [device.name, device]));
    this.#people = new Map(content.people.map((person) => [person.name, person]));
    this.#tokens = new Map(content.tokens.map((token) => [token.id, token]));
  }

  /** Tells one version of the file from another: each replacement is a new inode. */
  #stampOnDisk(): string {
    const stat = statSync(this.file, { throwIfNoEntry: false, bigint: true });
    return stat ? `${stat.ino}:${stat.mtimeNs}:${stat.size}` : '';
  }
}

const taken = (what: string, name: string): GatewayError =>
  new GatewayError('IDENTITY_EXISTS', `there is already a ${what} ${JSON.stringify(name)}`, {
    received: name,
  });

const nobodyCalled = (name: string, { people }: IdentityFile): GatewayError =>
  new GatewayError('IDENTITY_UNKNOWN', `there is nobody called ${JSON.stringify(name)}`, {
    received: name,
    expected: people.map((person) => person.name).join(', ') || 'nobody was added yet',
    fix: 'List who there is with `aimx-gateway people list`.',
  });

const full = (limit: number): GatewayError =>
  new GatewayError('IDENTITY_LIMIT', 'there is no room for more', { expected: `at most ${limit}` });
