/**
 * Tables of the billing module. A *book* is what one device commits to on one ledger; its receipts are numbered
 * (`ordinal`) over all its channels, and that number is the ledger's `toSeq`. Amounts are decimal strings: they are
 * 128 bits wide and SQLite's integers are 64.
 *
 * A commit with one receipt should touch three pages (receipt, index of request ids, channel), because flash wears by
 * pages: so a book has no running totals (they are those of its channels), receipts have no index by `seq`
 * (`before` is the ordinal of the channel's receipt before, `billing_marks` those whose heads are due), and request ids
 * are stored as keys that grow (`request-key.ts`). `bytes_to` sums the sizes of the book's receipts, so that the size
 * of any range is a subtraction.
 */
export const MIGRATIONS: readonly string[] = [
  `CREATE TABLE billing_books (
     id INTEGER PRIMARY KEY,
     chain_id INTEGER NOT NULL,
     ledger TEXT NOT NULL,
     device TEXT NOT NULL,
     salt BLOB NOT NULL,
     pruned INTEGER NOT NULL DEFAULT 0,
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
     last_ordinal INTEGER NOT NULL DEFAULT 0,
     signed_seq INTEGER NOT NULL DEFAULT 0,
     pruned_seq INTEGER NOT NULL DEFAULT 0,
     pruned_hash BLOB
   ) STRICT`,
  'CREATE TABLE billing_preimages (id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, text TEXT NOT NULL) STRICT',
  `CREATE TABLE billing_receipts (
     book INTEGER NOT NULL,
     ordinal INTEGER NOT NULL,
     channel INTEGER NOT NULL,
     seq INTEGER NOT NULL,
     request_key TEXT NOT NULL,
     request_sha BLOB NOT NULL,
     answer_sha BLOB NOT NULL,
     tariff INTEGER NOT NULL,
     model INTEGER NOT NULL,
     usage TEXT NOT NULL,
     started_at INTEGER NOT NULL,
     compute_us INTEGER NOT NULL,
     amount TEXT NOT NULL,
     cumulative TEXT NOT NULL,
     hash BLOB NOT NULL,
     created_at INTEGER NOT NULL,
     before INTEGER NOT NULL,
     bytes_to INTEGER NOT NULL,
     PRIMARY KEY (book, ordinal)
   ) STRICT, WITHOUT ROWID`,
  'CREATE UNIQUE INDEX billing_receipts_request ON billing_receipts (channel, request_key)',
  `CREATE TABLE billing_marks (
     channel INTEGER NOT NULL,
     seq INTEGER NOT NULL,
     ordinal INTEGER NOT NULL,
     PRIMARY KEY (channel, seq)
   ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE billing_sums (
     channel INTEGER NOT NULL,
     model INTEGER NOT NULL,
     tariff INTEGER NOT NULL,
     first_id TEXT NOT NULL,
     last_id TEXT NOT NULL,
     ids_sha BLOB NOT NULL,
     requests_sha BLOB NOT NULL,
     answers_sha BLOB NOT NULL,
     used TEXT NOT NULL,
     started_at INTEGER NOT NULL,
     synced INTEGER NOT NULL,
     boot TEXT NOT NULL,
     monotonic REAL NOT NULL,
     opened_at INTEGER NOT NULL,
     PRIMARY KEY (channel, model, tariff)
   ) STRICT, WITHOUT ROWID`,
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
  // What a channel has used under a tariff whose prices depend on it.
  'CREATE TABLE billing_counts (channel INTEGER PRIMARY KEY, tariff INTEGER NOT NULL, counted TEXT NOT NULL) STRICT',
  // Channels with customers: what the ledger last said of them, and the payer's newest words. JSON, see channels/rows.ts.
  `CREATE TABLE billing_escrows (
     channel INTEGER PRIMARY KEY REFERENCES billing_channels,
     latest TEXT,
     final TEXT,
     seen_at INTEGER NOT NULL DEFAULT 0,
     ceiling TEXT,
     ack TEXT,
     ack_at INTEGER,
     owner TEXT
   ) STRICT`,
  `CREATE TABLE billing_places (
     channel INTEGER NOT NULL,
     seq INTEGER NOT NULL,
     ordinal INTEGER NOT NULL,
     PRIMARY KEY (channel, seq)
   ) STRICT, WITHOUT ROWID`,
  'CREATE TABLE billing_scans (book INTEGER PRIMARY KEY REFERENCES billing_books, block INTEGER NOT NULL) STRICT',
  // Transactions that move money without a batch.
  `CREATE TABLE billing_payouts (
     hash BLOB PRIMARY KEY,
     book INTEGER NOT NULL REFERENCES billing_books,
     nonce INTEGER NOT NULL,
     action TEXT NOT NULL,
     max_fee TEXT NOT NULL,
     tip TEXT NOT NULL,
     raw BLOB NOT NULL,
     signed_at INTEGER NOT NULL,
     sent_at INTEGER,
     block INTEGER,
     gas_used INTEGER,
     succeeded INTEGER
   ) STRICT, WITHOUT ROWID`,
  'CREATE INDEX billing_payouts_nonce ON billing_payouts (book, nonce)',
  'ALTER TABLE billing_txs ADD COLUMN gas_price TEXT',
  'ALTER TABLE billing_payouts ADD COLUMN gas_price TEXT',
];
