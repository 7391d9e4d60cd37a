import type { EscrowState } from '../../ports/escrow.ts';
import { fromHex, toHex } from '../formats/bytes.ts';

/** What the ledger says of a channel, as JSON in the database. */

export function escrowText(state: EscrowState): string {
  return JSON.stringify({ ...state, heldHash: toHex(state.heldHash) }, (_, value: unknown) =>
    typeof value === 'bigint' ? String(value) : value,
  );
}

export function parseEscrow(text: string): EscrowState {
  const row = JSON.parse(text) as Record<keyof EscrowState, string>;
  return {
    opened: Boolean(row.opened),
    balance: BigInt(row.balance),
    paid: BigInt(row.paid),
    held: BigInt(row.held),
    heldSeq: Number(row.heldSeq),
    heldHash: new Uint8Array(fromHex(row.heldHash)),
    releaseAt: Number(row.releaseAt),
    thawing: BigInt(row.thawing),
    thawAt: Number(row.thawAt),
  };
}

export const NO_ESCROW: EscrowState = {
  ...{ opened: false, balance: 0n, paid: 0n, held: 0n, heldSeq: 0, heldHash: new Uint8Array(32) },
  ...{ releaseAt: 0, thawing: 0n, thawAt: 0 },
};
