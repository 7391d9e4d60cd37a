import { type ErrorCode, GatewayError } from '../../errors.ts';
import type {
  Admission,
  ChannelCall,
  ChannelEvent,
  ChannelParameters,
  Channels,
} from '../../ports/channels.ts';
import type { EscrowState } from '../../ports/escrow.ts';
import { sameBytes, toHex } from '../formats/bytes.ts';
import { readChannelId, type SignedStatement } from '../formats/wire.ts';
import { ChannelAccount } from './account.ts';
import { channelDocument, tariffDocument } from './channel-document.ts';
import type { ChannelRecord, PlacedRow } from './channel-queries.ts';
import { Estimates } from './estimate.ts';
import { evidenceOf } from './evidence.ts';
import { Lane, type LaneParts } from './lane.ts';
import { type CustomerStats, customerStats, Risk } from './risk.ts';
import { type Rules, type Standing, standing } from './standing.ts';
import { Words } from './words.ts';

export interface CustomerRules extends Rules {
  /** Units not acknowledged, over all channels. */
  readonly total: bigint;
  readonly required: boolean;
  /** The device key was replaced: nothing more is served. */
  readonly retired: boolean;
}

export interface CustomersParts extends LaneParts {
  readonly rules: CustomerRules;
  /** Address that customers pay. */
  readonly provider: string;
}

/** A list is for people; programs ask for one channel. */
const MAX_LISTED = 1000;
/** Also the answer to what is asked before the ledger was read. */
const NOT_OPEN = 'there is no such channel with this gateway, or it is not final yet';

/** Channels with customers: who may be served, what is billed, and what both sides have signed. */
export class Customers implements Channels {
  readonly #parts: CustomersParts;
  readonly #accounts = new Map<string, ChannelAccount>();
  readonly #lanes = new Map<string, Lane>();
  readonly #estimates = new Estimates();
  readonly #words: Words;
  readonly #listeners = new Set<(event: ChannelEvent) => void>();
  readonly refused = new Map<ErrorCode, number>();
  readonly #risk: Risk;

  constructor(parts: CustomersParts) {
    this.#parts = parts;
    this.#words = new Words(parts);
    this.#risk = new Risk(parts.clock);
  }

  get required(): boolean {
    return this.#parts.rules.required;
  }

  accounts(): Iterable<ChannelAccount> {
    return this.#accounts.values();
  }

  has(channel: unknown): boolean {
    return typeof channel === 'string' && this.#accounts.has(channel.toLowerCase());
  }

  /** Enters channels that the database has. */
  enter(records: readonly ChannelRecord[]): void {
    for (const record of records) {
      const account = new ChannelAccount(record, this.#parts.tariff);
      if (this.#accounts.has(account.id)) continue;
      this.#accounts.set(account.id, account);
      this.#lanes.set(account.id, new Lane(this.#parts, account));
    }
  }

  /** What the ledger says now. Answers whether that changes anything. */
  see(account: ChannelAccount, latest: EscrowState, final: EscrowState, seenAt: number): boolean {
    const changed = !sameEscrow(account.latest, latest) || !sameEscrow(account.final, final);
    account.latest = latest;
    account.final = final;
    account.seenAt = seenAt;
    if (changed) this.#tell(account);
    return changed;
  }

  /** The device has signed a head. */
  signed(channelId: Uint8Array, head: SignedStatement): void {
    const account = this.#accounts.get(toHex(channelId));
    if (!account || (account.head && account.head.seq >= head.seq)) return;
    account.head = head;
    const { seq, cumulative, receiptHash, signature } = head;
    const document = {
      ...{ channelId: account.id, seq: String(seq), cumulative: String(cumulative) },
      ...{ receiptHash: toHex(receiptHash), signature: toHex(signature) },
    };
    this.#emit({ channel: account.id, kind: 'head', document });
  }

  async admit(call: ChannelCall): Promise<Admission> {
    try {
      return await this.#admit(call);
    } catch (error) {
      if (error instanceof GatewayError)
        this.refused.set(error.code, (this.refused.get(error.code) ?? 0) + 1);
      throw error;
    }
  }

  async #admit(call: ChannelCall): Promise<Admission> {
    const { clock, tariff, store } = this.#parts;
    const account = this.#account(call.channel);
    if (this.#parts.rules.retired)
      throw new GatewayError('CHANNEL_RETIRED', 'the gateway has a new device key');
    if (!clock.synced()) throw new GatewayError('CHANNEL_TIME', 'the time is not known yet');
    await this.#hear(account, call, call.account);
    if (account.owner !== call.account) {
      if (account.owner === undefined) throw refusal({ ...NO_CEILING, upTo: 0n });
      throw new GatewayError('CHANNEL_OWNER', 'the channel is used by somebody else');
    }
    const { requestId, requestHash, model, bytesIn } = call;
    // Ids that were made up here are new.
    if (!requestId.startsWith('~')) {
      const args = { channelId: account.channelId, requestId };
      const billed = await store.query<Uint8Array | null>('billing.billed', args);
      if (billed) return this.#billedBefore(account, requestId, sameBytes(billed, requestHash));
    }
    const now = clock.now();
    account.askedAt = now;
    const stand = this.standing(account);
    const amount = this.#estimates.amount(tariff, account, model, bytesIn, now);
    const room = account.money.reserve(amount, stand.upTo);
    if (!room) throw refusal(stand);
    const { total } = this.#parts.rules;
    if (this.#risk.with(amount, this.#accounts.values()) > total) {
      room.release();
      throw refusal({ upTo: total, code: 'CHANNEL_EXPOSURE', why: 'too much is not acknowledged in all' });
    }
    return {
      release: room.release,
      settle: (use, finish) =>
        new Promise((resolve, reject) => {
          this.#estimates.note(model, use.computeUs, use.bytesOut);
          const done = (error: GatewayError | null): void => {
            room.release();
            if (error) reject(error);
            else resolve();
          };
          this.#lanes.get(account.id)!.add({ requestId, requestHash, bytesIn, use, finish, done });
        }),
    };
  }

  /** The same request again, whose answer is no longer kept: it is answered with the receipt it has. */
  async #billedBefore(account: ChannelAccount, requestId: string, same: boolean): Promise<Admission> {
    if (!same)
      throw new GatewayError('BILLING_CONFLICT', `Request ${requestId} was billed with another body.`);
    const { store, salt } = this.#parts;
    const args = { channelId: account.channelId, requestId };
    const row = await store.query<PlacedRow | null>('billing.receiptOf', args);
    if (!row) throw new GatewayError('BILLING_CONFLICT', `Request ${requestId} was billed before.`);
    const receipt = evidenceOf(row, account.channelId, salt);
    return {
      release: () => {},
      settle: async (_, finish) => void (await store.commit({ ops: finish(receipt) })),
    };
  }

  async take(channel: string, kind: 'ceiling' | 'ack', document: unknown, account: string): Promise<object> {
    const found = this.#account(channel);
    await this.#hear(found, { channel, [kind]: document }, account);
    return this.#document(found);
  }

  async #hear(account: ChannelAccount, words: ChannelParameters, from: string): Promise<void> {
    if (words.ceiling === undefined && words.ack === undefined) return;
    if (await this.#words.hear(account, words, from)) this.#tell(account);
  }

  list(): object[] {
    return [...this.#accounts.values()].slice(0, MAX_LISTED).map((account) => this.#document(account));
  }

  show(channel: string): object {
    return this.#document(this.#account(channel));
  }

  async receipts(channel: string, from: number, limit: number): Promise<object[]> {
    const { store, salt } = this.#parts;
    const { channelId } = this.#account(channel);
    const rows = await store.query<PlacedRow[]>('billing.placed', { channelId, from, limit });
    return rows.map((row) => evidenceOf(row, channelId, salt));
  }

  tariff(): object {
    return tariffDocument(this.#parts);
  }

  onEvent(listener: (event: ChannelEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  stats(): CustomerStats {
    const upTo = (account: ChannelAccount): bigint => this.standing(account).upTo;
    return customerStats(this.#accounts.values(), upTo, this.refused.values());
  }

  standing(account: ChannelAccount): Standing {
    return standing(account, this.#parts.rules, this.#parts.clock.now());
  }

  #account(channel: unknown): ChannelAccount {
    const id = toHex(readChannelId(channel));
    const account = this.#accounts.get(id);
    if (!account) throw new GatewayError('CHANNEL_UNKNOWN', `${id}: ${NOT_OPEN}`);
    return account;
  }

  #document(account: ChannelAccount): object {
    return channelDocument(account, this.standing(account), this.#parts.book);
  }

  #tell(account: ChannelAccount): void {
    this.#emit({ channel: account.id, kind: 'state', document: this.#document(account) });
  }

  #emit(event: ChannelEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}

const NO_CEILING = { code: 'CHANNEL_CEILING', why: 'the payer has signed no ceiling' } as const;

const refusal = ({ code, why, upTo }: Standing): GatewayError =>
  new GatewayError(code, why, { expected: `at most ${upTo} in all` });

const sameEscrow = (a: EscrowState, b: EscrowState): boolean =>
  a.opened === b.opened &&
  a.balance === b.balance &&
  a.paid === b.paid &&
  a.held === b.held &&
  a.heldSeq === b.heldSeq &&
  a.releaseAt === b.releaseAt &&
  a.thawing === b.thawing &&
  a.thawAt === b.thawAt;
