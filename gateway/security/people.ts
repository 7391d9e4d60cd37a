import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Identities } from './identities.ts';
import { neverRight, verifySecret } from './secrets.ts';
import { type OpenSession, Sessions } from './sessions.ts';
import { placeOf, Throttle } from './throttle.ts';
import type { Turns } from './turns.ts';

/** Failures of one name, from anywhere, that cost nothing. Above those of an address: one cannot lock out a name by typing. */
const FREE_FAILURES_OF_NAME = 20;
/** Pairs of name and address that have logged in. */
const MAX_FAMILIAR = 1024;

/** A session, nothing when name or password are wrong, or how long to wait before it makes sense to try again. */
export type LoginAnswer = { readonly token: string; readonly expiresAt: number } | null | 'throttled';

export interface PeopleParts {
  readonly dataDir: string;
  readonly identities: Identities;
  readonly clock: Clock;
  readonly log: Log;
  /** Shared with everything else that stretches passwords. */
  readonly turns: Turns;
  /** Failures of addresses, shared with devices. */
  readonly places: Throttle;
}

/**
 * How people log in. Guessing is slowed down by address and by name; from an address where a name has logged in before, that
 * name is not slowed down by what others try elsewhere. A try counts as failed before it is looked at, so that many at once
 * gain nothing. An unknown name costs the same time and is slowed down the same way as a known one.
 */
export class People {
  readonly #identities: Identities;
  readonly #turns: Turns;
  readonly #places: Throttle;
  readonly #known: Throttle;
  readonly #unknown: Throttle;
  readonly #familiar = new Set<string>();
  readonly #nobody = neverRight();
  readonly #sessions: Sessions;

  constructor(parts: PeopleParts) {
    this.#identities = parts.identities;
    this.#turns = parts.turns;
    this.#places = parts.places;
    this.#known = new Throttle(parts.clock, FREE_FAILURES_OF_NAME);
    this.#unknown = new Throttle(parts.clock, FREE_FAILURES_OF_NAME);
    this.#sessions = new Sessions(parts);
  }

  /** Opens a session. */
  async login(name: string, password: string, peer: string): Promise<LoginAnswer> {
    const person = this.#identities.person(name);
    const names = person ? this.#known : this.#unknown;
    const place = placeOf(peer);
    const pair = `${place} ${name}`;
    const familiar = this.#familiar.has(pair);
    if (this.#places.blocked(place) || (!familiar && names.blocked(name))) return 'throttled';
    this.#places.failed(place);
    if (!familiar) names.failed(name);
    const right = await this.#turns.take(() =>
      verifySecret(person?.secret ?? this.#nobody, password.normalize('NFC')),
    );
    if (right === 'turned-away') return 'throttled';
    // Removed, or given another password, while this one was looked at.
    if (!right || !person || this.#identities.person(name) !== person) return null;
    this.#places.succeeded(place);
    if (!familiar) {
      names.succeeded(name);
      if (this.#familiar.size >= MAX_FAMILIAR) this.#familiar.delete(this.#familiar.keys().next().value!);
      this.#familiar.add(pair);
    }
    return this.#sessions.open(person);
  }

  session(token: string): OpenSession | undefined {
    return this.#sessions.find(token);
  }

  logout(token: string): void {
    this.#sessions.close(token);
  }

  /** After identities have changed. */
  changed(): void {
    this.#sessions.prune();
  }

  saved(): Promise<void> {
    return this.#sessions.saved();
  }
}
