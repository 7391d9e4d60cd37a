import type { ChannelCall } from '../../ports/channels.ts';
import type { EscrowState, EscrowTerms } from '../../ports/escrow.ts';
import { toHex } from '../formats/bytes.ts';
import {
  readCeiling,
  readConfig,
  readStatement,
  type SignedCeiling,
  type SignedStatement,
} from '../formats/wire.ts';
import type { Counted, Tariff } from '../tariff/tariff.ts';
import { type ChannelRecord, countedOf } from './channel-queries.ts';
import { Reservations } from './reservations.ts';
import { NO_ESCROW, parseEscrow } from './rows.ts';
import { granted, type Words } from './standing.ts';

/** How many receipts back an acknowledgement can be compared with what was billed. */
const REMEMBERED = 2048;

/** One channel in memory: the database has all of it. */
export class ChannelAccount implements Words {
  readonly id: string;
  readonly channelId: Uint8Array;
  readonly terms: EscrowTerms;
  latest: EscrowState = NO_ESCROW;
  final: EscrowState = NO_ESCROW;
  seenAt = 0;
  ceiling: SignedCeiling | undefined;
  ack: SignedStatement | undefined;
  head: SignedStatement | undefined;
  /** Who brought the ceiling: nobody else uses the channel. */
  owner: string | undefined;
  seq = 0;
  lastHash: Uint8Array = new Uint8Array(32);
  counted: Counted | undefined;
  readonly money = new Reservations(0n);
  /** Since when something is not acknowledged, epoch ms. */
  unacknowledgedSince: number | undefined;
  /** When it was last asked for, epoch ms. */
  askedAt = 0;
  readonly #recent = new Map<number, { readonly hash: Uint8Array; readonly cumulative: bigint }>();

  constructor(record: ChannelRecord, tariff: Tariff) {
    this.channelId = new Uint8Array(record.channel_id);
    this.id = toHex(this.channelId);
    this.terms = readConfig(JSON.parse(record.config));
    if (record.latest !== null) this.latest = parseEscrow(record.latest);
    if (record.final !== null) this.final = parseEscrow(record.final);
    this.seenAt = record.seen_at;
    if (record.ceiling !== null) this.ceiling = readCeiling(JSON.parse(record.ceiling));
    if (record.ack !== null) this.ack = readStatement(JSON.parse(record.ack), 'ack');
    this.owner = record.owner ?? undefined;
    if (record.head_hash && record.head_cumulative !== null && record.head_signature)
      this.head = {
        seq: record.head_seq!,
        cumulative: BigInt(record.head_cumulative),
        receiptHash: new Uint8Array(record.head_hash),
        signature: new Uint8Array(record.head_signature),
      };
    this.moveTo(record, tariff);
    if (this.unacknowledged > 0n) this.unacknowledgedSince = record.ack_at ?? record.newest_at ?? 0;
  }

  /** Where the database says that the channel stands. */
  moveTo(record: ChannelRecord, tariff: Tariff): void {
    this.seq = record.seq;
    this.lastHash = new Uint8Array(record.last_hash);
    this.money.billed = BigInt(record.cumulative);
    this.counted = countedOf(record, tariff.counting.hash);
    this.#recent.clear();
    this.#remember();
  }

  /** Receipts up to this one are stored. */
  advance(
    seq: number,
    hash: Uint8Array,
    cumulative: bigint,
    counted: Counted | undefined,
    now: number,
  ): void {
    this.seq = seq;
    this.lastHash = hash;
    this.money.billed = cumulative;
    this.counted = counted;
    this.#remember();
    this.unacknowledgedSince ??= now;
  }

  get cumulative(): bigint {
    return this.money.billed;
  }

  /** Billed, and neither acknowledged nor paid. */
  get unacknowledged(): bigint {
    const known = granted(this);
    return this.cumulative > known ? this.cumulative - known : 0n;
  }

  /** Whether an acknowledgement is about what was billed: undefined when that receipt is too long ago to say. */
  agrees({ seq, receiptHash, cumulative }: SignedStatement): boolean | undefined {
    if (seq > this.seq || cumulative > this.cumulative) return false;
    const known = this.#recent.get(seq);
    return known && known.cumulative === cumulative && Buffer.compare(known.hash, receiptHash) === 0;
  }

  /** Nothing else than the channel's owner may name it, unless it brings a ceiling that only the payer can have signed. */
  belongsTo({ account }: Pick<ChannelCall, 'account'>): boolean {
    return this.owner === account;
  }

  #remember(): void {
    this.#recent.set(this.seq, { hash: this.lastHash, cumulative: this.cumulative });
    if (this.#recent.size > REMEMBERED) this.#recent.delete(this.#recent.keys().next().value!);
  }
}
