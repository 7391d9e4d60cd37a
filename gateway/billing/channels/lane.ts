import { asGatewayError, GatewayError } from '../../errors.ts';
import type { ChannelUse } from '../../ports/channels.ts';
import type { Clock } from '../../ports/clock.ts';
import type { ModuleOp } from '../../store/types.ts';
import type { BookKey } from '../book-rows.ts';
import { keccak, utf8 } from '../formats/bytes.ts';
import { canonicalJson } from '../formats/canonical-json.ts';
import { type Receipt, receiptHash } from '../formats/documents.ts';
import { type ReceiptEvidence, writeReceipt } from '../formats/wire.ts';
import { ioHash, ioSalt, type Measured, usageText } from '../metering/measure.ts';
import type { BillingStore } from '../posting/poster.ts';
import { type Counted, type Quantities, rate, type Tariff } from '../tariff/tariff.ts';
import type { ChannelAccount } from './account.ts';
import type { BillArgs } from './channel-ops.ts';
import type { ChannelRecord } from './channel-queries.ts';
import { rateOf } from './evidence.ts';
import { collectable } from './standing.ts';

export interface LaneParts {
  readonly book: BookKey;
  readonly separator: Uint8Array;
  /** The book's secret for salts. */
  readonly salt: Uint8Array;
  readonly tariff: Tariff;
  readonly store: BillingStore;
  readonly clock: Clock;
}

/** A use that is to be billed. */
export interface Bill {
  readonly requestId: string;
  readonly requestHash: Uint8Array;
  readonly bytesIn: number;
  readonly use: ChannelUse;
  readonly finish: (receipt: object) => readonly ModuleOp[];
  readonly done: (error: GatewayError | null) => void;
}

interface Made {
  readonly bill: Bill;
  readonly measured: Measured;
  readonly receipt: Receipt;
  readonly evidence: ReceiptEvidence;
  readonly counted: Counted | undefined;
}

/** Receipts of one transaction; the rest goes into the next. */
const TOGETHER = 64;

/**
 * Bills one channel. The receipt stands in the answer that commits with it, so it is made before the commit; one transaction of
 * the channel is under way at a time, and whatever comes meanwhile goes into the next.
 */
export class Lane {
  readonly #parts: LaneParts;
  readonly #account: ChannelAccount;
  readonly #queue: Bill[] = [];
  #running = false;

  constructor(parts: LaneParts, account: ChannelAccount) {
    this.#parts = parts;
    this.#account = account;
  }

  add(bill: Bill): void {
    this.#queue.push(bill);
    if (!this.#running) void this.#run();
  }

  async #run(): Promise<void> {
    this.#running = true;
    // What is ready in this turn goes together.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      const bills = this.#queue.splice(0, TOGETHER);
      const failed = await this.#commit(bills);
      // One that fails takes its transaction along: the others get one each.
      if (failed && (bills.length > 1 || failed.code === 'CHANNEL_MOVED'))
        for (const bill of bills) await this.#alone(bill);
      else if (failed) bills[0]!.done(failed);
    }
    this.#running = false;
  }

  async #alone(bill: Bill): Promise<void> {
    const failed = await this.#commit([bill]);
    if (failed) bill.done(failed);
  }

  /** Never rejects: bills that are done have been told so; with an error nothing of it is stored and nobody has been told. */
  async #commit(bills: readonly Bill[]): Promise<GatewayError | undefined> {
    const { store, tariff, book, clock } = this.#parts;
    const before = this.#account.lastHash;
    const refused: Bill[] = [];
    try {
      const ops: ModuleOp[] = [];
      const made: Made[] = [];
      let last: Made | undefined;
      for (const bill of bills) {
        const next = this.#make(bill, last);
        if (next.receipt.cumulative > collectable(this.#account)) {
          refused.push(bill);
          continue;
        }
        made.push(next);
        last = next;
        ops.push(...bill.finish(writeReceipt(next.evidence)));
      }
      if (last) {
        const args: BillArgs = {
          ...{ book, channelId: this.#account.channelId, tariff: tariff.json, now: clock.now() },
          uses: made.map(({ measured }) => measured),
          ...{ before, after: last.evidence.hash },
        };
        await store.commit({ ops: [{ op: 'billing.bill', args }, ...ops] });
      }
      for (const { receipt, evidence, counted, bill } of made) {
        this.#account.advance(receipt.seq, evidence.hash, receipt.cumulative, counted, clock.now());
        bill.done(null);
      }
      for (const bill of refused) bill.done(ended());
      return undefined;
    } catch (error) {
      await this.#reload();
      return asGatewayError(error);
    }
  }

  /** After a failure only the database knows whether it was one. */
  async #reload(): Promise<void> {
    const { store, book, tariff } = this.#parts;
    try {
      const args = { book, channelId: this.#account.channelId };
      const found = await store.query<{ channels: ChannelRecord[] } | null>('billing.customers', args);
      const record = found?.channels[0];
      if (record) this.#account.moveTo(record, tariff);
    } catch {
      // The next transaction fails with CHANNEL_MOVED if this mattered, and reads again.
    }
  }

  #make(bill: Bill, last: Made | undefined): Made {
    const { tariff, salt, separator } = this.#parts;
    const account = this.#account;
    const { use, requestId, requestHash } = bill;
    const { name, sha256, version } = use.model;
    const used: Quantities = {
      ...{ inference: 1, compute_us: whole(use.computeUs) },
      ...{ byte_in: whole(bill.bytesIn), byte_out: whole(use.bytesOut) },
    };
    const measured: Measured = {
      ...{ requestId, requestSha: requestHash, answerSha: use.answerHash, used },
      model: canonicalJson({ name, sha256, version }),
      ...{ startedAt: whole(use.startedAt), computeUs: whole(use.computeUs) },
    };
    const rated = rate(tariff, last ? last.counted : account.counted, used, measured.startedAt);
    const usage = usageText(used, rated.before);
    const ownSalt = ioSalt(salt, requestId);
    const receipt: Receipt = {
      ...{ channelId: account.channelId, requestId, amount: rated.amount },
      seq: (last?.receipt.seq ?? account.seq) + 1,
      prevHash: last?.evidence.hash ?? account.lastHash,
      tariffHash: tariff.hash,
      modelHash: keccak(utf8(measured.model)),
      usageHash: keccak(utf8(usage)),
      ioHash: ioHash(ownSalt, requestHash, use.answerHash),
      ...{ startedAtMs: measured.startedAt, computeUs: measured.computeUs },
      cumulative: (last?.receipt.cumulative ?? account.cumulative) + rated.amount,
    };
    const evidence: ReceiptEvidence = {
      ...{ receipt, model: { name, sha256, version }, salt: ownSalt, hash: receiptHash(separator, receipt) },
      ...{ usage: JSON.parse(usage) as ReceiptEvidence['usage'], requestHash, answerHash: use.answerHash },
      ...rateOf(tariff.json),
      ...(account.head ? { head: account.head } : {}),
    };
    return { bill, measured, receipt, evidence, counted: rated.after };
  }
}

const ended = (): GatewayError =>
  new GatewayError('CHANNEL_CEILING', 'what this request cost does not fit the ceiling or the deposit');

const whole = (value: number): number => Math.max(0, Math.round(Number.isFinite(value) ? value : 0));
