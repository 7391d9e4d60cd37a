import { createHash, randomInt, timingSafeEqual } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { GatewayError } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';
import { newSecret } from '../security/secrets.ts';
import { placeOf, Throttle } from '../security/throttle.ts';
import { writeFileAtomic } from '../system/files.ts';

/** No letter that looks like another or like a digit. */
const ALPHABET = 'ABCDEFGHJKLMNPQRSTUVWXYZ23456789';
const LENGTH = 8;
/** Wrong codes from anywhere before everybody waits. */
const FREE_FOR_ALL = 20;
const EVERYBODY = '*';

/** Proof of being at the machine: a code that only its console, its label and its files show. */
export class Claim {
  readonly code: string;
  readonly #file: string;
  readonly #token = newSecret();
  readonly #places: Throttle;
  readonly #all: Throttle;

  /** Takes the code that is in `file`, or makes one and writes it there, mode 0600. */
  constructor(file: string, clock: Clock) {
    this.#file = file;
    this.#places = new Throttle(clock);
    this.#all = new Throttle(clock, FREE_FOR_ALL);
    const known = existsSync(file) ? plain(readFileSync(file, 'utf8')) : '';
    if (known.length >= LENGTH) chmodSync(file, 0o600);
    this.code = known.length >= LENGTH ? known : newCode();
    if (this.code === known) return;
    mkdirSync(dirname(file), { recursive: true });
    writeFileAtomic(file, `${spaced(this.code)}\n`, 0o600);
  }

  /** For people: `ABCD-EFGH`. */
  get text(): string {
    return spaced(this.code);
  }

  /** The token for the code. @throws GatewayError UNAUTHORIZED, THROTTLED */
  give(code: string, peer: string): string {
    const place = placeOf(peer);
    if (this.#places.blocked(place) || this.#all.blocked(EVERYBODY))
      throw new GatewayError('THROTTLED', 'too many wrong claim codes', {
        fix: 'Wait a minute and try again.',
      });
    if (!same(plain(code), this.code)) {
      this.#places.failed(place);
      this.#all.failed(EVERYBODY);
      throw new GatewayError('UNAUTHORIZED', 'this is not the claim code', {
        fix: `It is on the label, on the console and in ${this.#file}.`,
      });
    }
    this.#places.succeeded(place);
    return this.#token;
  }

  /** Whether somebody who has given the code sent this token. */
  holds(token: string): boolean {
    return same(token, this.#token);
  }

  /** The setup is done: the code is worth nothing any more. */
  forget(): void {
    rmSync(this.#file, { force: true });
  }
}

const newCode = (): string =>
  Array.from({ length: LENGTH }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');

/** As people may type it: small letters, spaces and dashes do not matter. */
const plain = (text: string): string => text.toUpperCase().replaceAll(/[^A-Z0-9]/g, '');

const spaced = (code: string): string => code.replaceAll(/(.{4})(?=.)/g, '$1-');

const same = (a: string, b: string): boolean => {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
};
