import { existsSync, writeFileSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import type { StoreModule } from '../../gateway/store/types.ts';

/** A store module for tests that ends the writer thread in the middle of a transaction. */
export const storeModule: StoreModule = {
  name: 'lethal',
  migrations: [],
  ops: {
    /** Ends the thread unless the file `marker` exists; makes it first when `once`. */
    exit(_db: DatabaseSync, { marker, once }: { marker: string; once: boolean }) {
      if (existsSync(marker)) return 'survived';
      if (once) writeFileSync(marker, '');
      process.exit(9);
    },
  },
  queries: {},
};
