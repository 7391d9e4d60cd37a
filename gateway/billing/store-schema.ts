/**
 * Tables of the billing module. A *book* is what one device commits to on one ledger; its receipts are numbered
 * (`ordinal`) over all its channels, and that number is the ledger's `toSeq`. Amounts are decimal strings: they are
 * 128 bits wide and SQLite's integers are 64.
 */
export const MIGRATIONS: readonly string[] = [
  `CREATE TABLE billing_books (
     id INTEGER PRIMARY KEY,
     chain_id INTEGER NOT NULL,
     ledger TEXT NOT NULL,
     device TEXT NOT NULL,
     salt BLOB NOT NULL,
     receipts INTEGER NOT NULL DEFAULT 0,
     total TEXT NOT NULL DEFAULT '0',
     UNIQUE (chain_id, ledger, device)
   ) STRICT`,
  `CREATE TABLE billing_channels (
     id INTEGER PRIMARY KEY,
     book INTEGER NOT NULL REFERENCES billing_books,
     channel_id BLOB NOT NULL UNIQUE,
     account TEXT NOT NULL,
     config TEXT NOT NULL,
     seq INTEGER NOT NULL DEFAULT 0,
     cumulative TEXT NOT NULL DEFAULT '0',
     last_hash BLOB NOT NULL,
     signed_seq INTEGER NOT NULL DEFAULT 0,
     pruned_seq INTEGER NOT NULL DEFAULT 0,
     pruned_hash BLOB
   ) STRICT`,
  'CREATE TABLE billing_preimages (hash BLOB PRIMARY KEY, text TEXT NOT NULL) STRICT, WITHOUT ROWID',
  `CREATE TABLE billing_receipts (
     book INTEGER NOT NULL,
     ordinal INTEGER NOT NULL,
     channel INTEGER NOT NULL,
     seq INTEGER NOT NULL,
     request_id TEXT NOT NULL,
     request_sha BLOB NOT NULL,
     answer_sha BLOB NOT NULL,
     tariff_hash BLOB NOT NULL,
     model_hash BLOB NOT NULL,
     usage TEXT NOT NULL,
     started_at INTEGER NOT NULL,
     compute_us INTEGER NOT NULL,
     amount TEXT NOT NULL,
     cumulative TEXT NOT NULL,
     hash BLOB NOT NULL,
     created_at INTEGER NOT NULL,
     PRIMARY KEY (book, ordinal)
   ) STRICT, WITHOUT ROWID`,
  'CREATE UNIQUE INDEX billing_receipts_request ON billing_receipts (channel, request_id)',
  'CREATE UNIQUE INDEX billing_receipts_seq ON billing_receipts (channel, seq)',
  `CREATE TABLE billing_pending (
     id INTEGER PRIMARY KEY,
     channel INTEGER NOT NULL,
     request_id TEXT NOT NULL,
     request_sha BLOB NOT NULL,
     measured TEXT NOT NULL,
     boot TEXT NOT NULL,
     monotonic REAL NOT NULL,
     UNIQUE (channel, request_id)
   ) STRICT`,
  `CREATE TABLE billing_heads (
     channel INTEGER NOT NULL,
     seq INTEGER NOT NULL,
     signature BLOB NOT NULL,
     PRIMARY KEY (channel, seq)
   ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE billing_batches (
     id INTEGER PRIMARY KEY,
     book INTEGER NOT NULL,
     from_ordinal INTEGER NOT NULL,
     to_ordinal INTEGER NOT NULL,
     total TEXT NOT NULL,
     root BLOB NOT NULL,
     prev_head BLOB NOT NULL,
     head BLOB NOT NULL,
     signature BLOB NOT NULL,
     state TEXT NOT NULL CHECK (state IN ('SEALED', 'SIGNED', 'SENT', 'MINED', 'FINAL')),
     sealed_at INTEGER NOT NULL,
     UNIQUE (book, head)
   ) STRICT`,
  'CREATE INDEX billing_batches_prev ON billing_batches (book, prev_head)',
  'CREATE INDEX billing_batches_to ON billing_batches (book, to_ordinal)',
  "CREATE INDEX billing_batches_mined ON billing_batches (book) WHERE state = 'MINED'",
  `CREATE TABLE billing_trees (
     batch INTEGER PRIMARY KEY REFERENCES billing_batches,
     nodes BLOB NOT NULL,
     places BLOB NOT NULL
   ) STRICT`,
  `CREATE TABLE billing_txs (
     hash BLOB PRIMARY KEY,
     batch INTEGER NOT NULL REFERENCES billing_batches,
     nonce INTEGER NOT NULL,
     max_fee TEXT NOT NULL,
     tip TEXT NOT NULL,
     raw BLOB NOT NULL,
     signed_at INTEGER NOT NULL,
     sent_at INTEGER,
     block INTEGER,
     gas_used INTEGER
   ) STRICT, WITHOUT ROWID`,
  'CREATE INDEX billing_txs_nonce ON billing_txs (nonce)',
  'CREATE INDEX billing_txs_batch ON billing_txs (batch)',
];
