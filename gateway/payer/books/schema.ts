/**
 * Tables of a payer's books. Amounts are decimal strings: they are 128 bits wide and SQLite's integers are 64. Times are
 * milliseconds since the epoch unless said otherwise. A row of `payer_channels` carries all that a payer must never
 * forget: the newest receipt it has checked, the newest it has acknowledged, the highest ceiling it has signed.
 */
export const MIGRATIONS: readonly string[] = [
  `CREATE TABLE payer_channels (
     id BLOB PRIMARY KEY,
     chain_id INTEGER NOT NULL,
     ledger TEXT NOT NULL,
     terms TEXT NOT NULL,
     gateway TEXT NOT NULL,
     opened_at INTEGER NOT NULL,
     -- newest receipt checked, gapless from 1
     seq INTEGER NOT NULL DEFAULT 0,
     cumulative TEXT NOT NULL DEFAULT '0',
     hash BLOB NOT NULL,
     -- what the channel has used under a tariff whose prices depend on it: {tariff, counted}
     counted TEXT,
     acked_seq INTEGER NOT NULL DEFAULT 0,
     acked_cumulative TEXT NOT NULL DEFAULT '0',
     -- highest ceiling ever signed, and when the last one ends (seconds)
     ceiling TEXT NOT NULL DEFAULT '0',
     ceiling_until INTEGER NOT NULL DEFAULT 0,
     -- escrow as last seen on the chain
     balance TEXT NOT NULL DEFAULT '0',
     paid TEXT NOT NULL DEFAULT '0',
     looked_at INTEGER,
     -- why nothing more is signed: {code, message, seq, at}
     refusal TEXT
   ) STRICT`,
  `CREATE TABLE payer_tariffs (
     channel BLOB NOT NULL REFERENCES payer_channels,
     hash BLOB NOT NULL,
     json TEXT NOT NULL,
     accepted_at INTEGER NOT NULL,
     PRIMARY KEY (channel, hash)
   ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE payer_requests (
     channel BLOB NOT NULL REFERENCES payer_channels,
     id TEXT NOT NULL,
     model TEXT NOT NULL,
     sha BLOB NOT NULL,
     bytes INTEGER NOT NULL,
     -- kept until it is answered, so that it can be sent again after a crash
     body BLOB,
     sent_at INTEGER NOT NULL,
     answered_at INTEGER,
     answer_sha BLOB,
     answer_bytes INTEGER,
     -- by a clock that is never set; absent when the payer was restarted in between
     elapsed_ms REAL,
     -- code of a terminal error answer
     failed TEXT,
     billed INTEGER NOT NULL DEFAULT 0,
     PRIMARY KEY (channel, id)
   ) STRICT, WITHOUT ROWID`,
  'CREATE INDEX payer_requests_open ON payer_requests (channel, sent_at) WHERE answered_at IS NULL',
  `CREATE TABLE payer_receipts (
     channel BLOB NOT NULL REFERENCES payer_channels,
     seq INTEGER NOT NULL,
     hash BLOB NOT NULL,
     request_id TEXT NOT NULL,
     model TEXT NOT NULL,
     amount TEXT NOT NULL,
     cumulative TEXT NOT NULL,
     -- the receipt with its preimages: JSON, deflated
     document BLOB NOT NULL,
     received_at INTEGER NOT NULL,
     checked_at INTEGER,
     UNIQUE (channel, seq)
   ) STRICT`,
  `CREATE TABLE payer_heads (
     channel BLOB NOT NULL REFERENCES payer_channels,
     seq INTEGER NOT NULL,
     hash BLOB NOT NULL,
     cumulative TEXT NOT NULL,
     signature BLOB NOT NULL,
     received_at INTEGER NOT NULL,
     PRIMARY KEY (channel, seq, hash, cumulative)
   ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE payer_acks (
     channel BLOB NOT NULL REFERENCES payer_channels,
     seq INTEGER NOT NULL,
     cumulative TEXT NOT NULL,
     hash BLOB NOT NULL,
     signature BLOB NOT NULL,
     signed_at INTEGER NOT NULL,
     delivered_at INTEGER,
     PRIMARY KEY (channel, seq)
   ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE payer_ceilings (
     id INTEGER PRIMARY KEY,
     channel BLOB NOT NULL REFERENCES payer_channels,
     max_cumulative TEXT NOT NULL,
     -- seconds
     valid_until INTEGER NOT NULL,
     -- by how much this one raised what the channel can cost
     added TEXT NOT NULL,
     signature BLOB NOT NULL,
     signed_at INTEGER NOT NULL,
     delivered_at INTEGER
   ) STRICT`,
  'CREATE INDEX payer_ceilings_signed ON payer_ceilings (signed_at)',
  'CREATE TABLE payer_limits (scope TEXT NOT NULL, name TEXT NOT NULL, amount TEXT NOT NULL, PRIMARY KEY (scope, name)) STRICT, WITHOUT ROWID',
  'CREATE TABLE payer_spent (model TEXT PRIMARY KEY, amount TEXT NOT NULL) STRICT, WITHOUT ROWID',
  `CREATE TABLE payer_payments (
     id INTEGER PRIMARY KEY,
     channel BLOB NOT NULL REFERENCES payer_channels,
     -- one payment per key: asking twice pays once
     key TEXT NOT NULL UNIQUE,
     action TEXT NOT NULL,
     state TEXT NOT NULL CHECK (state IN ('PLANNED', 'SENT', 'MINED', 'FINAL', 'FAILED')),
     created_at INTEGER NOT NULL,
     reason TEXT
   ) STRICT`,
  "CREATE INDEX payer_payments_open ON payer_payments (id) WHERE state IN ('PLANNED', 'SENT', 'MINED')",
  `CREATE TABLE payer_transactions (
     hash BLOB PRIMARY KEY,
     payment INTEGER NOT NULL REFERENCES payer_payments,
     nonce INTEGER NOT NULL,
     max_fee TEXT NOT NULL,
     tip TEXT NOT NULL,
     raw BLOB NOT NULL,
     signed_at INTEGER NOT NULL,
     block INTEGER,
     gas_used INTEGER
   ) STRICT, WITHOUT ROWID`,
  'CREATE INDEX payer_transactions_payment ON payer_transactions (payment)',
  `CREATE TABLE payer_incidents (
     id INTEGER PRIMARY KEY,
     channel BLOB,
     at INTEGER NOT NULL,
     code TEXT NOT NULL,
     message TEXT NOT NULL
   ) STRICT`,
  'CREATE TABLE payer_settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID',
];
