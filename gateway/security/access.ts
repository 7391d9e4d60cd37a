import { createHmac, randomBytes } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import { isLoopback } from '../config/rules/network.ts';
import type { Config } from '../config/schema.ts';
import type { AccessControl, Credentials, Principal } from '../ports/access.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import { Identities } from './identities.ts';
import type { DeviceIdentity, DeviceRole, PersonRole } from './identity-file.ts';
import { type LoginAnswer, People } from './people.ts';
import { AccessRules, type Asker } from './rules.ts';
import { newSecret, type StoredSecret, sealRandom, verifySecret } from './secrets.ts';
import type { OpenSession } from './sessions.ts';
import { placeOf, Throttle } from './throttle.ts';
import { Turns } from './turns.ts';

/** Who calls the HTTP interface. */
export interface ApiCaller {
  readonly name: string;
  readonly role: PersonRole;
}

export interface AccessStats {
  readonly accepted: number;
  readonly refused: number;
  readonly throttled: number;
}

export interface Access extends AccessControl {
  readonly identities: Identities;
  /** Token of the local command line: valid for this run, written by `publishLocalApi`. */
  readonly localToken: string;
  /** Token of the flows host: what {@link FLOWS_USER} shows at the doors, from this machine, in this run. */
  readonly flowsToken: string;
  /** The caller behind a bearer token: an API token, a login session or the local token; null when it is none. */
  bearer(token: string, peer: string): Promise<ApiCaller | null>;
  /** Checks name and password of a person and opens a session; null when they are wrong, `throttled` when to wait. */
  login(name: string, password: string, peer: string): Promise<LoginAnswer>;
  /** Who opened a session; undefined when it is over or never was. */
  session(token: string): OpenSession | undefined;
  logout(token: string): void;
  /** Whether the peer may read over HTTP without a token: anonymous access is configured and it is on loopback. */
  openTo(peer: string): boolean;
  /** Adds a device and answers its secret, which is kept nowhere. */
  addDevice(name: string, role: DeviceRole): string;
  /** Takes effect at once. */
  revokeDevice(name: string): void;
  /** Looks at the file at once, without waiting for the watch. */
  refresh(): void;
  /** Called with the names of devices that are no longer known or have another secret: end their connections. */
  onRevoked(listener: (names: ReadonlySet<string>) => void): () => void;
  stats(): AccessStats;
  start(signal: AbortSignal): Promise<void>;
  stop(): Promise<void>;
}

export interface AccessParts {
  readonly config: Pick<Config, 'auth' | 'streams'>;
  readonly dataDir: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** The command line of this machine at the doors, with the local token as its password. No device can be called so. */
export const LOCAL_USER = 'aimx';
/** The flows host at the doors: an integrator over MQTT, a viewer over HTTP. No device can be called so. */
export const FLOWS_USER = 'aimx-flows';
/** How often the identity file is looked at; a stat call. */
const WATCH_MS = 1000;
/** Decisions remembered of one connection: a device has few topics. */
const MAX_REMEMBERED = 64;
/** Stretched passwords computed at once, and waiting: each takes 32 MiB and a thread for some 80 ms. */
const MAX_STRETCHING = 2;
const MAX_STRETCH_QUEUE = 64;

interface Remembered {
  readonly generation: number;
  readonly publish: Map<string, boolean>;
}

/** Authentication and access rules over the identities of a data folder. */
export function createAccess(parts: AccessParts): Access {
  const { config, clock } = parts;
  const log = parts.log.child('access');
  const identities = new Identities(parts.dataDir);
  const rules = new AccessRules(config.streams);
  const throttle = new Throttle(clock);
  const localToken = newSecret();
  const flowsToken = newSecret();
  /** Verified stretched passwords under a key of this process, so that reconnecting costs no stretching. */
  const verifiedKey = randomBytes(32);
  const verified = new Map<string, { secret: StoredSecret; proof: string }>();
  const remembered = new WeakMap<Principal, Remembered>();
  const listeners = new Set<(names: ReadonlySet<string>) => void>();
  const counts = { accepted: 0, refused: 0, throttled: 0 };
  const nobody = sealRandom(newSecret());
  // Taken in turns, so that a flood of logins cannot take all memory and threads.
  const turns = new Turns(MAX_STRETCHING, MAX_STRETCH_QUEUE);
  const people = new People({ dataDir: parts.dataDir, identities, clock, log, turns, places: throttle });
  let generation = 0;
  let cancelWatch: (() => void) | undefined;
  let known = new Map<string, DeviceIdentity>(identities.devices().map((d) => [d.name, d]));

  const refresh = (): void => {
    if (!identities.reload()) return;
    afterChange();
  };

  const afterChange = (): void => {
    generation++;
    const gone = new Set<string>();
    for (const [name, before] of known) {
      const now = identities.device(name);
      if (!now || now.secret.hash !== before.secret.hash || now.role !== before.role) gone.add(name);
    }
    known = new Map(identities.devices().map((device) => [device.name, device]));
    for (const name of gone) verified.delete(`device:${name}`);
    people.changed();
    if (gone.size === 0) return;
    log.info({ devices: gone.size }, 'access: identities were revoked or changed, their connections end');
    for (const listener of listeners) listener(gone);
  };

  const watch = (): void => {
    try {
      refresh();
    } catch (error) {
      log.error(
        { err: error },
        'access: cannot read the identities, the known ones stay valid; looking again',
      );
    }
    cancelWatch = clock.after(WATCH_MS, watch);
  };

  /** Whether the secret is right. `peer` waits after failures only where a secret could be guessed. */
  const check = async (
    who: string,
    stored: StoredSecret | undefined,
    given: string | Uint8Array,
    peer: string,
  ): Promise<boolean | 'throttled'> => {
    if (stored?.kind !== 'scrypt') {
      // An unknown name takes as long as a wrong secret.
      const right = await verifySecret(stored ?? nobody, given);
      return right && stored !== undefined;
    }
    const proof = createHmac('sha256', verifiedKey).update(given).digest('base64url');
    const before = verified.get(who);
    if (before?.secret === stored && before.proof === proof) return true;
    if (throttle.blocked(placeOf(peer))) return 'throttled';
    const right = await turns.take(() => verifySecret(stored, given));
    if (right !== true) return right === false ? false : 'throttled';
    throttle.succeeded(placeOf(peer));
    verified.set(who, { secret: stored, proof });
    return true;
  };

  const settle = (right: boolean | 'throttled', peer: string): void => {
    if (right === true) counts.accepted++;
    else if (right === 'throttled') counts.throttled++;
    else {
      counts.refused++;
      throttle.failed(placeOf(peer));
    }
  };

  const openTo = (peer: string): boolean => config.auth.anonymous && isLoopback(peer);

  const askerOf = (principal: Principal): Asker | undefined => {
    const { name, clientId } = principal;
    if (principal.anonymous)
      return config.auth.anonymous ? { name, clientId, role: 'integrator' } : undefined;
    if (name === LOCAL_USER || name === FLOWS_USER) return { name, clientId, role: 'integrator' };
    const device = identities.device(name);
    return device && { name, clientId, role: device.role satisfies DeviceRole };
  };

  const authenticate = async (credentials: Credentials): Promise<Principal | null> => {
    const { clientId, username, password, peer } = credentials;
    if (username === undefined) {
      if (!openTo(peer)) return null;
      return { name: 'anonymous', anonymous: true, clientId };
    }
    if (password === undefined || password.length > 1024) return null;
    if (username === LOCAL_USER || username === FLOWS_USER) {
      const token = username === LOCAL_USER ? localToken : flowsToken;
      const right = isOwnAddress(peer) && sameText(Buffer.from(password).toString(), token);
      settle(right, peer);
      return right ? { name: username, anonymous: false, clientId } : null;
    }
    const device = identities.device(username);
    const right = await check(`device:${username}`, device?.secret, password, peer);
    settle(right, peer);
    if (right !== true || stolenClientId(identities, username, clientId)) return null;
    return { name: username, anonymous: false, clientId };
  };

  return {
    identities,
    localToken,
    flowsToken,
    authenticate,
    openTo,
    refresh,
    addDevice(name, role) {
      refresh();
      const secret = identities.addDevice(name, role, clock.now());
      afterChange();
      return secret;
    },
    revokeDevice(name) {
      refresh();
      identities.revokeDevice(name);
      afterChange();
    },
    mayPublish(principal, topic) {
      let memory = remembered.get(principal);
      if (memory === undefined || memory.generation !== generation) {
        memory = { generation, publish: new Map() };
        remembered.set(principal, memory);
      }
      const before = memory.publish.get(topic);
      if (before !== undefined) return before;
      const asker = askerOf(principal);
      const allowed = asker !== undefined && rules.mayPublish(asker, topic);
      if (memory.publish.size < MAX_REMEMBERED) memory.publish.set(topic, allowed);
      return allowed;
    },
    maySubscribe(principal, filter) {
      const asker = askerOf(principal);
      return asker !== undefined && rules.maySubscribe(asker, filter);
    },
    async bearer(token, peer) {
      if (token.length > 256) return null;
      if (sameText(token, localToken)) return isOwnAddress(peer) ? { name: 'local', role: 'admin' } : null;
      if (sameText(token, flowsToken))
        return isOwnAddress(peer) ? { name: FLOWS_USER, role: 'viewer' } : null;
      const session = people.session(token);
      if (session) return { name: session.name, role: session.role };
      const dot = token.indexOf('.');
      const entry = dot < 0 ? undefined : identities.token(token.slice(0, dot));
      const right = await check('', entry?.secret, token.slice(dot + 1), peer);
      // A page whose session is over asks on: that is no guessing, and must not keep its owner from logging in.
      counts[right === true ? 'accepted' : 'refused']++;
      return right === true && entry ? { name: entry.name, role: entry.role } : null;
    },
    async login(name, password, peer) {
      const answer = await people.login(name, password, peer);
      counts[answer === null ? 'refused' : answer === 'throttled' ? 'throttled' : 'accepted']++;
      return answer;
    },
    session: (token) => (token.length > 256 ? undefined : people.session(token)),
    logout: (token) => people.logout(token),
    onRevoked(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    stats: () => ({ ...counts }),
    async start(signal) {
      signal.throwIfAborted();
      if (cancelWatch === undefined) watch();
    },
    async stop() {
      cancelWatch?.();
      cancelWatch = undefined;
      await people.saved();
    },
  };
}

/**
 * Whether a device connects under the client identifier of another: it would take over that one's session and the
 * messages queued for it [MQTT-3.1.4-2]. An identifier that is a device's name is that device's.
 */
function stolenClientId(identities: Identities, username: string, clientId: string): boolean {
  return clientId !== username && identities.device(clientId) !== undefined;
}

/** Whether a connection comes from this machine: a gateway may listen on one address of it only. */
function isOwnAddress(peer: string): boolean {
  if (isLoopback(peer)) return true;
  const plain = peer.replace(/^::ffff:(?=\d+\.)/, '');
  return Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === plain));
}

function sameText(a: string, b: string): boolean {
  const key = randomBytes(16);
  const digest = (text: string): Buffer => createHmac('sha256', key).update(text).digest();
  return digest(a).equals(digest(b));
}
