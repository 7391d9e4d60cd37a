import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import { replaceFile } from '../system/files.ts';
import type { Identities } from './identities.ts';
import type { PersonIdentity, PersonRole } from './identity-file.ts';
import { newSecret } from './secrets.ts';

/** How long a login lasts, whatever is done with it. */
export const SESSION_MS = 12 * 3_600_000;
const MAX_SESSIONS = 500;
/** Of one person, so that nobody's logins can end everybody else's. */
const MAX_OF_ONE = 20;
/** A clock that was set back by more than this since a login makes its end unknown. */
const CLOCK_SLACK_MS = 5 * 60_000;

const storedSession = z.strictObject({
  /** SHA-256 of the token, base64url: who reads the file can log in as nobody. */
  hash: z.string().length(43),
  name: z.string(),
  /** Of the password that opened it: another password ends the session. */
  proof: z.string(),
  createdAt: z.number(),
  expiresAt: z.number(),
});
const sessionFile = z.strictObject({ version: z.literal(1), sessions: z.array(storedSession) });

interface Session extends z.output<typeof storedSession> {
  /** Monotonic. */
  readonly ends: number;
}

/** File name inside the data folder. */
export const SESSIONS_FILE = 'sessions.json';

export interface OpenSession {
  readonly name: string;
  readonly role: PersonRole;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

/**
 * Logins of people. A token of 192 random bits goes to the browser; here and in `<dataDir>/sessions.json` (0600) only its
 * hash is kept. A session ends by its time, by logging out, and when its person is removed or has another password; the
 * role is looked up each time. Written behind the answer: a power cut may cost the last logins, never add one.
 */
export class Sessions {
  readonly #file: string;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #identities: Identities;
  /** By hash, oldest first. */
  readonly #sessions = new Map<string, Session>();
  #saving: Promise<void> | undefined;
  #changed = false;

  constructor(parts: { dataDir: string; clock: Clock; log: Log; identities: Identities }) {
    this.#file = join(parts.dataDir, SESSIONS_FILE);
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#identities = parts.identities;
    this.#load();
  }

  open(person: PersonIdentity): { token: string; expiresAt: number } {
    this.prune();
    const own = [...this.#sessions.values()].filter(({ name }) => name === person.name);
    if (own.length >= MAX_OF_ONE) this.#sessions.delete(own[0]!.hash);
    else if (this.#sessions.size >= MAX_SESSIONS) this.#sessions.delete(this.#sessions.keys().next().value!);
    const token = newSecret();
    const createdAt = this.#clock.now();
    const session: Session = {
      hash: hashOf(token),
      name: person.name,
      proof: proofOf(person),
      createdAt,
      expiresAt: createdAt + SESSION_MS,
      ends: this.#clock.monotonic() + SESSION_MS,
    };
    this.#sessions.set(session.hash, session);
    this.#save();
    return { token, expiresAt: session.expiresAt };
  }

  /** Who has logged in with this token; undefined when nobody has, or no longer. */
  find(token: string): OpenSession | undefined {
    const session = this.#sessions.get(hashOf(token));
    if (session === undefined) return undefined;
    const person = this.#valid(session);
    if (person) return { name: person.name, role: person.role, expiresAt: session.expiresAt };
    this.#sessions.delete(session.hash);
    this.#save();
    return undefined;
  }

  close(token: string): void {
    if (this.#sessions.delete(hashOf(token))) this.#save();
  }

  /** Forgets what is over, or whose person is gone or has another password. */
  prune(): void {
    const before = this.#sessions.size;
    for (const session of this.#sessions.values()) {
      if (!this.#valid(session)) this.#sessions.delete(session.hash);
    }
    if (this.#sessions.size < before) this.#save();
  }

  /** Resolves when everything is on disk. */
  async saved(): Promise<void> {
    while (this.#saving) await this.#saving;
  }

  #valid(session: Session): PersonIdentity | undefined {
    if (this.#clock.monotonic() >= session.ends) return undefined;
    const person = this.#identities.person(session.name);
    return person && proofOf(person) === session.proof ? person : undefined;
  }

  /** Sessions of an earlier run. A file that cannot be read costs everybody a login and nothing else. */
  #load(): void {
    if (!existsSync(this.#file)) return;
    try {
      const { sessions } = sessionFile.parse(JSON.parse(readFileSync(this.#file, 'utf8')));
      const now = this.#clock.now();
      for (const session of sessions.slice(-MAX_SESSIONS)) {
        const left = Math.min(session.expiresAt - now, SESSION_MS);
        if (left <= 0 || now < session.createdAt - CLOCK_SLACK_MS) continue;
        this.#sessions.set(session.hash, { ...session, ends: this.#clock.monotonic() + left });
      }
    } catch (error) {
      this.#log.warn({ err: error }, 'access: cannot read the logins of before, people log in again');
    }
  }

  #save(): void {
    this.#changed = true;
    this.#saving ??= this.#write()
      .catch((error: unknown) =>
        this.#log.warn({ err: error }, 'access: cannot keep logins over a restart, going on without'),
      )
      .finally(() => {
        this.#saving = undefined;
        if (this.#changed) this.#save();
      });
  }

  /** Off the main thread, since a sync to flash takes its time. */
  async #write(): Promise<void> {
    this.#changed = false;
    const sessions = [...this.#sessions.values()].map(({ ends: _, ...kept }) => kept);
    await mkdir(dirname(this.#file), { recursive: true, mode: 0o700 });
    await replaceFile(this.#file, `${JSON.stringify({ version: 1, sessions })}\n`);
  }
}

const hashOf = (token: string): string => createHash('sha256').update(token).digest('base64url');

const proofOf = ({ secret }: PersonIdentity): string =>
  createHash('sha256').update(secret.salt).update(secret.hash).digest('base64url').slice(0, 22);
