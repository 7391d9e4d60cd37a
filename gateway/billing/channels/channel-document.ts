import type { BookKey } from '../book-rows.ts';
import { toHex } from '../formats/bytes.ts';
import { writeCeiling, writeStatement } from '../formats/wire.ts';
import type { Tariff } from '../tariff/tariff.ts';
import type { ChannelAccount } from './account.ts';
import type { CustomerRules } from './customers.ts';
import { granted, type Standing } from './standing.ts';

/** What both sides see of a channel. Amounts are decimal strings in the token's smallest unit. */
export function channelDocument(account: ChannelAccount, stand: Standing, book: BookKey): object {
  const { terms, latest, final, ceiling, ack, head, money } = account;
  const taken = account.cumulative + money.reserved;
  const left = stand.upTo > taken ? stand.upTo - taken : 0n;
  return {
    channelId: account.id,
    chainId: book.chainId,
    ledger: book.address,
    config: { ...terms, salt: typeof terms.salt === 'string' ? terms.salt : toHex(terms.salt) },
    state: left > 0n ? 'open' : 'stopped',
    /** The bound that holds now, and that was reached when the channel is stopped. */
    bound: { code: stand.code, message: stand.why, upTo: String(stand.upTo) },
    newest: {
      seq: String(account.seq),
      cumulative: String(account.cumulative),
      receiptHash: toHex(account.lastHash),
    },
    deposit: {
      balance: String(latest.balance),
      finalBalance: String(final.balance),
      paid: String(latest.paid),
      held: String(latest.held),
      heldSeq: String(latest.heldSeq),
      releaseAt: String(latest.releaseAt),
      thawing: String(latest.thawing),
      thawAt: String(latest.thawAt),
      seenAt: account.seenAt,
    },
    ceiling: ceiling ? writeCeiling(ceiling) : null,
    acknowledged: ack ? writeStatement(ack) : null,
    head: head ? writeStatement(head) : null,
    exposure: {
      unacknowledged: String(account.unacknowledged),
      unpaid: String(account.cumulative > latest.paid ? account.cumulative - latest.paid : 0n),
      granted: String(granted(account)),
      reserved: String(money.reserved),
      inFlight: money.open,
      left: String(left),
    },
  };
}

/** What is charged, and under which terms channels are served. */
export function tariffDocument(parts: {
  readonly tariff: Tariff;
  readonly book: BookKey;
  readonly provider: string;
  readonly rules: CustomerRules;
}): object {
  const { tariff, book, provider, rules } = parts;
  return {
    tariff: JSON.parse(tariff.json) as object,
    tariffHash: toHex(tariff.hash),
    channel: {
      chainId: book.chainId,
      ledger: book.address,
      device: book.device,
      provider,
      token: rules.token,
      required: rules.required,
      /** Seconds; a shorter delay is not served. */
      minWithdrawDelay: Math.floor(rules.unseenThaw / 1000) + 1,
      /** Seconds before its expiry at which a ceiling is no longer served. */
      ceilingMargin: Math.ceil(rules.expiry / 1000),
      maxUnacknowledged: String(rules.unacknowledged),
    },
  };
}
