import { randomUUID } from 'node:crypto';
import type { Clock } from '../../ports/clock.ts';
import type { ChargeOptions, Meter, Usage, UsageBlock } from '../../ports/meter.ts';
import type { ModuleOp } from '../../store/types.ts';
import type { BookKey, ChannelKey } from '../book-rows.ts';
import { keccak, toHex, utf8 } from '../formats/bytes.ts';
import { canonicalJson } from '../formats/canonical-json.ts';
import { type ChannelConfig, channelId, separatorOf } from '../formats/documents.ts';
import type { Tariff } from '../tariff/tariff.ts';
import { type SharedUse, share, shareBlock } from './measure.ts';
import type { ChargeArgs } from './metering-ops.ts';

export interface MeterOptions {
  readonly book: BookKey;
  readonly token: string;
  readonly tariff: Tariff;
  readonly clock: Clock;
  /** Inferences per second, over all accounts, above which those of an account in one commit share a receipt. */
  readonly coalesceAbove: number;
  /** What all receipts may take, bytes. */
  readonly maxBytes: number;
}

export interface MeterStats {
  readonly uses: number;
  /** Uses that went into a shared receipt. */
  readonly coalesced: number;
}

/** Accounts come from the configuration; this only bounds a mistake. */
const MAX_ACCOUNTS = 10_000;

/** Sorts uses by account and names their channel; everything that costs is left to the writer thread. */
export class ChannelMeter implements Meter {
  readonly #options: MeterOptions;
  readonly #accounts = new Map<string, ChannelKey>();
  readonly #separator: Uint8Array;
  #uses = 0;
  #second = -1;
  /** Uses in the present second, and in the one before. */
  #count = 0;
  #before = 0;
  #coalesced = 0;

  constructor(options: MeterOptions) {
    this.#options = options;
    this.#separator = separatorOf(options.book);
  }

  charge(uses: readonly Usage[], { onConflict = 'skip' }: ChargeOptions = {}): readonly ModuleOp[] {
    if (uses.length === 0) return [];
    this.#uses += uses.length;
    const account = uses[0]!.account;
    if (uses.every((use) => use.account === account)) return [this.#charge(account, uses, onConflict)];
    return [...Map.groupBy(uses, (use) => use.account)].map(([name, group]) =>
      this.#charge(name, group, onConflict),
    );
  }

  chargeBlock(block: UsageBlock): readonly ModuleOp[] {
    const { account, count } = block;
    this.#uses += count;
    if (this.#together(count)) return [this.#op(account, [], [shareBlock(block)], 'skip')];
    const uses = Array.from({ length: count }, (_, index) => block.use(index));
    return [this.#op(account, uses, [], 'skip')];
  }

  stats(): MeterStats {
    return { uses: this.#uses, coalesced: this.#coalesced };
  }

  #charge(account: string, uses: readonly Usage[], onConflict: ChargeArgs['onConflict']): ModuleOp {
    const together = this.#together(uses.length);
    return this.#op(account, together ? [] : uses, together ? share(uses) : [], onConflict);
  }

  /** Whether uses of one commit share a receipt. */
  #together(count: number): boolean {
    const together = this.#rate(count) > this.#options.coalesceAbove && count > 1;
    if (together) this.#coalesced += count;
    return together;
  }

  #op(
    name: string,
    uses: readonly Usage[],
    shared: readonly SharedUse[],
    onConflict: ChargeArgs['onConflict'],
  ): ModuleOp {
    const { book, tariff, clock, maxBytes } = this.#options;
    const args: ChargeArgs = {
      book,
      channel: this.#channel(name),
      tariff: tariff.json,
      uses,
      shared,
      onConflict,
      time: { synced: clock.synced(), now: clock.now(), monotonic: clock.monotonic(), boot: BOOT },
      maxBytes,
    };
    return { op: 'billing.charge', args };
  }

  /** Uses of all accounts per second: their receipts are made by one thread. */
  #rate(uses: number): number {
    const second = Math.floor(this.#options.clock.monotonic() / 1000);
    if (second !== this.#second) {
      this.#before = second === this.#second + 1 ? this.#count : 0;
      this.#second = second;
      this.#count = 0;
    }
    this.#count += uses;
    return Math.max(this.#count, this.#before);
  }

  #channel(name: string): ChannelKey {
    const known = this.#accounts.get(name);
    if (known) return known;
    if (this.#accounts.size >= MAX_ACCOUNTS) this.#accounts.clear();
    const config = selfChannel(this.#options.book.device, this.#options.token, name);
    const channel: ChannelKey = {
      channelId: channelId(this.#separator, config),
      account: name,
      config: canonicalJson(config),
    };
    this.#accounts.set(name, channel);
    return channel;
  }
}

/** Tells uses of this start from those before it. */
export const BOOT: string = randomUUID();

/**
 * Terms of the channel on which the owner of a gateway meters its own pipelines: the device bills itself, nothing is
 * paid, and the receipts still chain, batch and verify like any other. One channel per account, told apart by the salt.
 */
export function selfChannel(
  device: string,
  token: string,
  account: string,
): ChannelConfig & { salt: string } {
  return {
    payer: device,
    payerSigner: device,
    provider: device,
    device,
    token,
    withdrawDelay: 7 * 86_400,
    disputeWindow: 86_400,
    salt: toHex(keccak(utf8(account))),
  };
}
