import type { StoreModule } from '../store/types.ts';
import { ledger } from './ledger-query.ts';
import { charge, finalise, sign } from './metering-ops.ts';
import { mined, outbox, range, reconcile, seal, sent, signed } from './outbox-ops.ts';
import { prune } from './prune-op.ts';
import { after, batches, books, evidence, exported, list, unsigned, waiting } from './receipt-queries.ts';
import { space } from './space.ts';
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
