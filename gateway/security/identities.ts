import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { GatewayError } from '../errors.ts';
import { writeFileAtomic } from '../system/files.ts';
import { newSecret, type StoredSecret, sealRandom, storedSecret } from './secrets.ts';

/** `device`: its own readings. `integrator`: all streams and devices (Node-RED, a historian). */
export const deviceRole = z.enum(['device', 'integrator']);
export type DeviceRole = z.output<typeof deviceRole>;
/** `admin`: everything. `viewer`: reading only. */
export const personRole = z.enum(['admin', 'viewer']);
export type PersonRole = z.output<typeof personRole>;

const deviceIdentity = z.strictObject({
  name: z.string(),
  role: deviceRole,
  secret: storedSecret,
  createdAt: z.number(),
});
const personIdentity = z.strictObject({
  name: z.string(),
  role: personRole,
  secret: storedSecret,
  createdAt: z.number(),
});
const apiToken = z.strictObject({
  id: z.string(),
  name: z.string(),
  role: personRole,
  secret: storedSecret,
  createdAt: z.number(),
});

export type DeviceIdentity = z.output<typeof deviceIdentity>;
export type PersonIdentity = z.output<typeof personIdentity>;
export type ApiToken = z.output<typeof apiToken>;

const fileSchema = z.strictObject({
  version: z.literal(1),
  devices: z.array(deviceIdentity),
  people: z.array(personIdentity),
  tokens: z.array(apiToken),
});
type IdentityFile = z.output<typeof fileSchema>;

const MAX_DEVICES = 50_000;
const MAX_PEOPLE = 1000;
const MAX_TOKENS = 1000;
const MAX_NAME = 128;
// The separators of topics and shares, of `user:password`, and what would disturb a terminal or log line.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const FORBIDDEN = /[\u0000-\u001f\u007f-\u009f/+#$:]/;

/** File name inside the data folder. */
export const IDENTITIES_FILE = 'identities.json';

/** @throws GatewayError IDENTITY_NAME */
export function checkName(name: string): void {
  const fine = name.length > 0 && name.length <= MAX_NAME && name.isWellFormed() && !FORBIDDEN.test(name);
  if (fine && name !== 'anonymous' && name !== 'aimx' && name.trim() === name) return;
  throw new GatewayError('IDENTITY_NAME', 'this name is not allowed', {
    received: name.slice(0, MAX_NAME + 1),
    expected: `1 to ${MAX_NAME} characters, not "anonymous" or "aimx", without / + # $ : and spaces around it`,
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
      stamp === '' ? { version: 1 as const, devices: [], people: [], tokens: [] } : this.#read();
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

  #read(): IdentityFile {
    const mode = statSync(this.file).mode & 0o077;
    if (mode !== 0 && process.platform !== 'win32') {
      throw new GatewayError('IDENTITY_FILE', `others may read ${this.file}`, {
        expected: 'mode 0600',
        fix: `chmod 0600 ${this.file}`,
      });
    }
    const result = fileSchema.safeParse(parse(readFileSync(this.file, 'utf8'), this.file));
    if (result.success) return result.data;
    const issue = result.error.issues[0]!;
    throw new GatewayError(
      'IDENTITY_FILE',
      `${this.file} is damaged at ${issue.path.join('.')}: ${issue.message}`,
    );
  }
}

function parse(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new GatewayError('IDENTITY_FILE', `${file} is not JSON`, { cause: error });
  }
}

const taken = (what: string, name: string): GatewayError =>
  new GatewayError('IDENTITY_EXISTS', `there is already a ${what} ${JSON.stringify(name)}`, {
    received: name,
  });

const full = (limit: number): GatewayError =>
  new GatewayError('IDENTITY_LIMIT', 'there is no room for more', { expected: `at most ${limit}` });
