import { GatewayError } from '../../errors.ts';
import type { ChannelParameters } from '../../ports/channels.ts';
import type { Clock } from '../../ports/clock.ts';
import { ackDigest, ceilingDigest } from '../formats/documents.ts';
import {
  readCeiling,
  readStatement,
  type SignedCeiling,
  type SignedStatement,
  writeCeiling,
  writeStatement,
} from '../formats/wire.ts';
import { recoverAddress } from '../keys/device-key.ts';
import type { BillingStore } from '../posting/poster.ts';
import type { ChannelAccount } from './account.ts';
import type { WordArgs } from './channel-ops.ts';

export interface WordsParts {
  readonly separator: Uint8Array;
  readonly store: BillingStore;
  readonly clock: Clock;
}

/** A signature takes a good millisecond to check; more than this a second from one account are turned away. */
const CHECKS_PER_SECOND = 50;
const MAX_CHECKERS = 1024;

/**
 * What payers sign: ceilings and acknowledgements. The newest of each is kept and stored before anything relies on it; older
 * ones change nothing, so that what is sent again or overtaken does no harm.
 */
export class Words {
  readonly #parts: WordsParts;
  readonly #checks = new Map<string, number>();
  #second = -1;

  constructor(parts: WordsParts) {
    this.#parts = parts;
  }

  /** Answers whether anything is new. Rejects with CHANNEL_DOCUMENT, CHANNEL_SIGNER, CHANNEL_DISAGREES. */
  async hear(account: ChannelAccount, words: ChannelParameters, from: string): Promise<boolean> {
    const ceiling = words.ceiling === undefined ? undefined : readCeiling(words.ceiling);
    const ack = words.ack === undefined ? undefined : readStatement(words.ack, 'ack');
    const higher = ceiling && isHigher(ceiling, account.ceiling) ? ceiling : undefined;
    const later = ack && ack.cumulative > (account.ack?.cumulative ?? -1n) ? ack : undefined;
    // Whoever holds the present ceiling is its owner: it was sent to this gateway alone.
    if (!higher && !later) return false;
    if (higher) this.#checkCeiling(account, higher, from);
    if (later) this.#checkAck(account, later, from);
    const args: WordArgs = {
      channelId: account.channelId,
      ...(higher ? { ceiling: { text: JSON.stringify(writeCeiling(higher)), owner: from } } : {}),
      ...(later
        ? { ack: { text: JSON.stringify(writeStatement(later)), now: this.#parts.clock.now() } }
        : {}),
    };
    await this.#parts.store.commit({ ops: [{ op: 'billing.word', args }] });
    this.#apply(account, higher, later, from);
    return true;
  }

  /** Others may have been heard while this was stored: the same comparison holds. */
  #apply(
    account: ChannelAccount,
    ceiling: SignedCeiling | undefined,
    ack: SignedStatement | undefined,
    from: string,
  ): void {
    if (ceiling && isHigher(ceiling, account.ceiling)) {
      account.ceiling = ceiling;
      account.owner = from;
    }
    if (ack && ack.cumulative > (account.ack?.cumulative ?? -1n)) {
      account.ack = ack;
      account.unacknowledgedSince = account.unacknowledged > 0n ? this.#parts.clock.now() : undefined;
    }
  }

  #checkCeiling(account: ChannelAccount, ceiling: SignedCeiling, from: string): void {
    const { channelId } = account;
    const { maxCumulative, validUntil, signature } = ceiling;
    const digest = ceilingDigest(this.#parts.separator, { channelId, maxCumulative, validUntil });
    this.#checkSigner(account, digest, signature, 'ceiling', from);
  }

  #checkAck(account: ChannelAccount, ack: SignedStatement, from: string): void {
    if (account.agrees(ack) === false)
      throw new GatewayError(
        'CHANNEL_DISAGREES',
        `the acknowledgement of receipt ${ack.seq} (${ack.cumulative} in all) is not about what was billed (up to receipt ${account.seq}, ${account.cumulative} in all)`,
      );
    const { seq, cumulative, receiptHash, signature } = ack;
    const { channelId } = account;
    const digest = ackDigest(this.#parts.separator, { channelId, seq, cumulative, receiptHash });
    this.#checkSigner(account, digest, signature, 'ack', from);
  }

  #checkSigner(
    account: ChannelAccount,
    digest: Uint8Array,
    signature: Uint8Array,
    what: string,
    from: string,
  ): void {
    this.#count(from);
    const signer = recoverAddress(digest, signature);
    if (signer === account.terms.payerSigner.toLowerCase()) return;
    throw new GatewayError('CHANNEL_SIGNER', `the ${what} is not signed by the payer of the channel`, {
      received: signer,
      expected: account.terms.payerSigner,
    });
  }

  #count(from: string): void {
    const second = Math.floor(this.#parts.clock.monotonic() / 1000);
    if (second !== this.#second || this.#checks.size >= MAX_CHECKERS) this.#checks.clear();
    this.#second = second;
    const count = (this.#checks.get(from) ?? 0) + 1;
    this.#checks.set(from, count);
    if (count > CHECKS_PER_SECOND)
      throw new GatewayError(
        'QUEUE_FULL',
        'too many signatures to check; send one ceiling for many requests',
      );
  }
}

/** A higher ceiling, or the same for longer. */
const isHigher = (given: SignedCeiling, present: SignedCeiling | undefined): boolean =>
  present === undefined ||
  given.maxCumulative > present.maxCumulative ||
  (given.maxCumulative === present.maxCumulative && given.validUntil > present.validUntil);
