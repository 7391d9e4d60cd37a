import { sameBytes, toHex } from '../billing/formats/bytes.ts';
import { separatorOf } from '../billing/formats/documents.ts';
import type { ReceiptEvidence, SignedStatement } from '../billing/formats/wire.ts';
import type { Books } from './books/books.ts';
import { noteIncident, type PayerChannel, readChannel, refuse } from './books/channels.ts';
import { readLimits, spentOn } from './books/limits-table.ts';
import {
  addHead,
  addReceipt,
  forgetHeads,
  gapAfter,
  headsFrom,
  MAX_AHEAD,
  storedHash,
  storedReceipt,
  takeReceipt,
} from './books/receipts.ts';
import { ownRequest } from './books/requests.ts';
import { acceptedTariff } from './books/tariffs.ts';
import { signedBy } from './check/head.ts';
import { checkReceipt } from './check/receipt.ts';
import { type Refused, refused } from './check/refusal.ts';
import { modelLimit } from './limits.ts';

/** How far a channel is checked after something came in. */
export interface Progress {
  /** Receipts checked so far. */
  readonly seq: number;
  /** The first receipt that is missing before others that are here. */
  readonly missing: number | undefined;
  /** The next receipt is here, but not the answer to its request: its id. */
  readonly waitsFor: string | undefined;
}

export interface IntakeOptions {
  /** Whether receipts for requests that others made on the channel are taken; their hashes cannot be checked. */
  readonly takeUnknown: boolean;
}

/** Takes a receipt and the head that may come with it, and checks everything whose turn has come. */
export function receive(
  books: Books,
  evidence: ReceiptEvidence,
  now: number,
  options: IntakeOptions,
): Progress {
  return books.transaction(() => {
    const { channelId, seq } = evidence.receipt;
    const channel = readChannel(books, channelId);
    const known = seq <= channel.seq ? storedHash(books, channelId, seq) : undefined;
    if (known && !sameBytes(known, evidence.hash))
      stop(books, channel, seq, refused('chain', `there are two receipts with the number ${seq}`), now);
    if (seq > channel.seq && seq <= channel.seq + MAX_AHEAD) addReceipt(books, evidence, now);
    if (evidence.head) takeHead(books, channel, evidence.head, now);
    return advance(books, channelId, now, options);
  });
}

/** Takes a head by itself, as it comes over MQTT or with the state of a channel. */
export function receiveHead(
  books: Books,
  channelId: Uint8Array,
  head: SignedStatement,
  now: number,
  options: IntakeOptions,
): Progress {
  return books.transaction(() => {
    takeHead(books, readChannel(books, channelId), head, now);
    return advance(books, channelId, now, options);
  });
}

/** Checks what is here and whose turn has come: after an answer, after the owner has decided, after a restart. */
export function advance(books: Books, channelId: Uint8Array, now: number, options: IntakeOptions): Progress {
  return books.transaction(() => {
    for (;;) {
      const channel = readChannel(books, channelId);
      const progress = {
        seq: channel.seq,
        missing: gapAfter(books, channelId, channel.seq),
        waitsFor: undefined,
      };
      if (channel.refusal) return progress;
      const evidence = storedReceipt(books, channelId, channel.seq + 1);
      if (!evidence) {
        forgetHeads(books, channelId, channel.seq);
        return progress;
      }
      const verdict = judge(books, channel, evidence, options);
      if (verdict.kind === 'waits') return { ...progress, waitsFor: evidence.receipt.requestId };
      if (verdict.kind === 'refused') stop(books, channel, evidence.receipt.seq, verdict, now);
      else takeReceipt(books, evidence, verdict, now);
    }
  });
}

function judge(books: Books, channel: PayerChannel, evidence: ReceiptEvidence, options: IntakeOptions) {
  const { receipt, model } = evidence;
  const verdict = checkReceipt(evidence, {
    separator: separatorOf({ chainId: channel.chainId, address: channel.ledger }),
    standing: { ...channel, channelId: channel.id },
    tariff: acceptedTariff(books, channel.id, receipt.tariffHash, evidence.rate),
    own: ownRequest(books, channel.id, receipt.requestId),
    takeUnknown: options.takeUnknown,
  });
  if (verdict.kind !== 'accepted') return verdict;
  const limit = modelLimit(readLimits(books), model.name, spentOn(books, model.name), receipt.amount);
  if (limit) return refused('limit', `receipt ${receipt.seq} is above the limit for model ${model.name}`);
  const false_ = headsFrom(books, channel.id, receipt.seq).find(
    (head) => head.seq === receipt.seq && !agrees(head, verdict.hash, verdict.cumulative),
  );
  if (false_) return refused('head', `the device has signed something else than receipt ${receipt.seq}`);
  return verdict;
}

const agrees = (head: SignedStatement, hash: Uint8Array, cumulative: bigint): boolean =>
  sameBytes(head.receiptHash, hash) && head.cumulative === cumulative;

/** Keeps a head of the device, above all one that contradicts what was checked: it is evidence. */
function takeHead(books: Books, channel: PayerChannel, head: SignedStatement, now: number): void {
  const separator = separatorOf({ chainId: channel.chainId, address: channel.ledger });
  if (!signedBy(separator, channel.id, channel.terms.device, head)) {
    // Anyone could say that; it must not stop the channel.
    noteIncident(books, channel.id, 'head', `head ${head.seq} is not signed by the device`, now);
    return;
  }
  addHead(books, channel.id, channel.seq, head, now);
  if (head.seq > channel.seq) return;
  const hash = head.seq === channel.seq ? channel.hash : storedHash(books, channel.id, head.seq);
  if (hash && !sameBytes(hash, head.receiptHash))
    stop(
      books,
      channel,
      head.seq,
      refused(
        'head',
        `the device has signed two receipts with the number ${head.seq}: ${toHex(hash)} and another`,
      ),
      now,
    );
}

const stop = (books: Books, { id }: PayerChannel, seq: number, { code, reason }: Refused, at: number): void =>
  refuse(books, id, { code, message: reason, seq, at });
