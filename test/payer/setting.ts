import { join } from 'node:path';
import { parseTariff, type Tariff } from '../../gateway/billing/tariff/tariff.ts';
import { addChannel, noteEscrow } from '../../gateway/payer/books/channels.ts';
import { addRequest, noteAnswer } from '../../gateway/payer/books/requests.ts';
import { acceptTariff, Books } from '../../gateway/payer/index.ts';
import type { EscrowState } from '../../gateway/ports/escrow.ts';
import { CHANNEL, LEDGER, type Sold, sha, TERMS } from './seller.ts';

export const NOW = 1_800_000_000_000;
export const FLAT: Tariff = parseTariff({
  version: 1,
  name: 'flat',
  prices: { inference: '10', byte_in: '1' },
});

export const escrowOf = (balance: bigint, more: Partial<EscrowState> = {}): EscrowState => ({
  ...{ opened: true, balance, paid: 0n, held: 0n, heldSeq: 0, heldHash: new Uint8Array(32) },
  ...{ releaseAt: 0, thawing: 0n, thawAt: 0 },
  ...more,
});

/** Books with one channel, its tariff accepted and, unless told otherwise, plenty in escrow. */
export function openBooks(folder: string, tariff = FLAT, balance = 10n ** 30n): Books {
  const books = new Books(join(folder, 'payer.db'));
  const channel = { id: CHANNEL, chainId: LEDGER.chainId, ledger: LEDGER.address, terms: TERMS };
  addChannel(books, { ...channel, gateway: 'http://127.0.0.1:1' }, NOW);
  noteEscrow(books, CHANNEL, escrowOf(balance), NOW);
  acceptTariff(books, CHANNEL, tariff, NOW);
  return books;
}

/** The payer's side of what was sold: its request, and the answer as it came. */
export function bought(books: Books, { evidence, request, answer }: Sold, answered = true): void {
  const { requestId } = evidence.receipt;
  const own = { id: requestId, model: 'room-comfort', sha: sha(request), body: Buffer.from(request) };
  addRequest(books, CHANNEL, own, NOW);
  if (answered)
    noteAnswer(books, CHANNEL, requestId, { sha: sha(answer), bytes: answer.length, elapsedMs: 5 }, NOW);
}
