import type { StoreModule } from '../store/types.ts';
import { bill, found, seen, word } from './channels/channel-ops.ts';
import { billed, customers, placed, receiptOf } from './channels/channel-queries.ts';
import { charge, finalise, sign } from './metering/metering-ops.ts';
import { prune } from './metering/prune-op.ts';
import { space } from './metering/space.ts';
import { owed } from './owed.ts';
import { finalHead, mined, outbox, range, reconcile, seal, sent, signed } from './posting/outbox-ops.ts';
import { payoutMined, payoutSent, payoutSigned, payoutState } from './posting/payout-ops.ts';
import { accounts, batch, batchPage, settled } from './receipts/batch-queries.ts';
import { ledger } from './receipts/ledger-query.ts';
import {
  after,
  batches,
  books,
  evidence,
  exported,
  list,
  unsigned,
  waiting,
} from './receipts/receipt-queries.ts';
import { MIGRATIONS } from './store-schema.ts';

/** Billing inside the writer thread: receipts commit in the same transaction as the results they are for. */
export const storeModule: StoreModule = {
  name: 'billing',
  migrations: MIGRATIONS,
  ops: {
    charge,
    finalise,
    sign,
    seal,
    signed,
    sent,
    mined,
    reconcile,
    prune,
    found,
    seen,
    word,
    bill,
    payoutSigned,
    payoutSent,
    payoutMined,
  },
  queries: {
    outbox,
    finalHead,
    range,
    unsigned,
    waiting,
    list,
    exported,
    after,
    evidence,
    books,
    batches,
    batch,
    batchPage,
    accounts,
    settled,
    ledger,
    space,
    customers,
    billed,
    placed,
    receiptOf,
    payoutState,
    owed,
  },
};
