import { randomBytes } from 'node:crypto';
import { toHex } from '../billing/formats/bytes.ts';
import { channelId, separatorOf } from '../billing/formats/documents.ts';
import type { EscrowTerms } from '../ports/escrow.ts';
import type { Books } from './books/books.ts';
import { addChannel } from './books/channels.ts';
import { acceptTariff } from './books/tariffs.ts';
import type { Offer } from './offer.ts';

export interface NewTerms {
  /** Addresses. */
  readonly payer: string;
  readonly session: string;
  /** Where the gateway is. */
  readonly gateway: string;
  /** Seconds; the ledger's own defaults are 7 days and 24 hours. */
  readonly withdrawDelay?: number;
  readonly disputeWindow?: number;
}

const WITHDRAW_DELAY_S = 7 * 24 * 3600;
const DISPUTE_WINDOW_S = 24 * 3600;

/** Enters a new channel with a gateway's offer; its first deposit opens it on the ledger. Answers its id. */
export function newChannel(books: Books, offer: Offer, terms: NewTerms, now: number): Uint8Array {
  const config: EscrowTerms = {
    ...{ payer: terms.payer, payerSigner: terms.session },
    ...{ provider: offer.provider, device: offer.device, token: offer.token },
    withdrawDelay: terms.withdrawDelay ?? WITHDRAW_DELAY_S,
    disputeWindow: terms.disputeWindow ?? DISPUTE_WINDOW_S,
    salt: toHex(randomBytes(32)),
  };
  const { chainId, ledger } = offer;
  const id = channelId(separatorOf({ chainId, address: ledger }), config);
  books.transaction(() => {
    addChannel(books, { id, chainId, ledger, terms: config, gateway: terms.gateway }, now);
    acceptTariff(books, id, offer.tariff, now);
  });
  return id;
}
