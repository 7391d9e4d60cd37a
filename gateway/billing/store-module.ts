import type { StoreModule } from '../store/types.ts';
import { charge, finalise, sign } from './metering/metering-ops.ts';
import { prune } from './metering/prune-op.ts';
import { space } from './metering/space.ts';
import { mined, outbox, range, reconcile, seal, sent, signed } from './posting/outbox-ops.ts';
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
  ops: { charge, finalise, sign, seal, signed, sent, mined, reconcile, prune },
  queries: {
    outbox,
    range,
    unsigned,
    waiting,
    list,
    exported,
    after,
    evidence,
    books,
    batches,
    ledger,
    space,
  },
};
