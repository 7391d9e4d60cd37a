import { randomBytes } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { GatewayError } from '../errors.ts';
import type { Usage } from '../ports/meter.ts';
import { fromHex, keccak, sameBytes, utf8, ZERO_WORD } from './bytes.ts';
import { type Ledger, receiptHash, separatorOf } from './documents.ts';
import {
  ioHash,
  ioSalt,
  type Measured,
  measure,
  measureShared,
  type SharedUse,
  usageText,
} from './measure.ts';
import { one, run } from './statements.ts';
import { amountOf, parseTariff, type Tariff } from './tariff.ts';

/** What the writer thread does to bill: it alone knows the newest hash, seq and total of each channel. */

/** Names a book: what one device commits to on one ledger. */
export interface BookKey extends Ledger {
  /** Address of the device key, lower case. */
  readonly device: string;
}

export interface ChannelKey {
  /** 32 bytes. */
  readonly channelId: Uint8Array;
  readonly account: string;
  /** Canonical JSON of the channel's configuration: with the ledger, the preimage of `channelId`. */
  readonly config: string;
}

export interface ChargeArgs {
  readonly book: BookKey;
  readonly channel: ChannelKey;
  /** Canonical JSON of the tariff. */
  readonly tariff: string;
  readonly uses: readonly Usage[];
  /** One receipt each. */
  readonly shared: readonly SharedUse[];
  /** What becomes of a request id that was billed with another body: pipelines skip it, requests are refused. */
  readonly onConflict: 'skip' | 'error';
  readonly time: ChargeTime;
}

/** How much is known about time: without `synced` uses wait, unnumbered, until it is. */
export interface ChargeTime {
  readonly synced: boolean;
  readonly now: number;
  readonly monotonic: number;
  /** Differs from start to start, because a monotonic clock does. */
  readonly boot: string;
}

export interface Charged {
  readonly receipts: number;
  /** Waiting for time to be known. */
  readonly pending: number;
  /** Billed before with the same body. */
  readonly repeated: number;
  /** Billed before with another body, and skipped. */
  readonly conflicts: number;
}

export interface BookRow {
  readonly id: number;
  readonly chain_id: number;
  readonly ledger: string;
  readonly device: string;
  readonly salt: Uint8Array;
  readonly receipts: number;
  readonly total: string;
}

interface ChannelRow {
  readonly id: number;
  readonly book: number;
  readonly channel_id: Uint8Array;
  readonly seq: number;
  readonly cumulative: string;
  readonly last_hash: Uint8Array;
}

const MAX_AMOUNT = 2n ** 128n - 1n;

/** `billing.charge`: bills uses of one channel in the caller's transaction. */
export function charge(db: DatabaseSync, args: ChargeArgs): Charged {
  const book = openBook(db, args.book);
  const channel = openChannel(db, book, args.channel);
  const fresh = new Map<string, Measured>();
  let repeated = 0;
  let conflicts = 0;
  for (const use of [...args.uses.map(measure), ...args.shared.map(measureShared)]) {
    const known = billedBody(db, channel.id, use.requestId) ?? fresh.get(use.requestId)?.requestSha;
    if (!known) fresh.set(use.requestId, use);
    else if (sameBytes(known, use.requestSha)) repeated++;
    else if (args.onConflict === 'skip') conflicts++;
    else throw new GatewayError('BILLING_CONFLICT', `Request ${use.requestId} was billed with another body.`);
  }
  if (!args.time.synced) {
    for (const use of fresh.values()) putAside(db, channel.id, use, args.time);
    return { receipts: 0, pending: fresh.size, repeated, conflicts };
  }
  append(db, book, channel, readTariff(args.tariff), [...fresh.values()], args.time.now);
  return { receipts: fresh.size, pending: 0, repeated, conflicts };
}

export interface FinaliseArgs {
  readonly book: BookKey;
  readonly tariff: string;
  readonly limit: number;
  readonly time: ChargeTime;
}

interface PendingRow {
  readonly id: number;
  readonly request_id: string;
  readonly request_sha: Uint8Array;
  readonly measured: string;
  readonly boot: string;
  readonly monotonic: number;
}

/**
 * `billing.finalise`: turns uses that waited for the time into receipts, oldest first. A use of this start gets its
 * true time by the monotonic clock; of a use from before a restart only the latest possible time is known: now.
 * Answers how many it took.
 */
export function finalise(db: DatabaseSync, args: FinaliseArgs): number {
  const book = openBook(db, args.book);
  const tariff = readTariff(args.tariff);
  let taken = 0;
  while (taken < args.limit) {
    const row = one<PendingRow & { channel: number }>(
      db,
      `SELECT p.* FROM billing_pending p JOIN billing_channels c ON c.id = p.channel
       WHERE c.book = ? ORDER BY p.id LIMIT 1`,
      book.id,
    );
    if (!row) break;
    const rest = JSON.parse(row.measured) as Pick<Measured, 'model' | 'used' | 'computeUs'> & {
      answer: string;
    };
    const elapsed = row.boot === args.time.boot ? Math.max(0, args.time.monotonic - row.monotonic) : 0;
    const use: Measured = {
      requestId: row.request_id,
      requestSha: row.request_sha,
      answerSha: fromHex(rest.answer),
      model: rest.model,
      used: rest.used,
      computeUs: rest.computeUs,
      startedAt: Math.round(args.time.now - elapsed),
    };
    const channel = one<ChannelRow>(db, 'SELECT * FROM billing_channels WHERE id = ?', row.channel)!;
    append(db, openBook(db, args.book), channel, tariff, [use], args.time.now);
    run(db, 'DELETE FROM billing_pending WHERE id = ?', row.id);
    taken++;
  }
  return taken;
}

export interface SignArgs {
  readonly heads: readonly {
    readonly channel: number;
    readonly seq: number;
    readonly signature: Uint8Array;
  }[];
}

/** `billing.sign`: keeps signed heads. */
export function sign(db: DatabaseSync, args: SignArgs): void {
  for (const head of args.heads) {
    run(db, 'INSERT OR IGNORE INTO billing_heads VALUES (?, ?, ?)', head.channel, head.seq, head.signature);
    run(
      db,
      'UPDATE billing_channels SET signed_seq = max(signed_seq, ?) WHERE id = ?',
      head.seq,
      head.channel,
    );
  }
}

/** The book's row, made on first use with a secret salt of its own. */
export function openBook(db: DatabaseSync, key: BookKey): BookRow {
  const find = () =>
    one<BookRow>(
      db,
      'SELECT * FROM billing_books WHERE chain_id = ? AND ledger = ? AND device = ?',
      key.chainId,
      key.address,
      key.device,
    );
  const found = find();
  if (found) return found;
  run(
    db,
    'INSERT INTO billing_books (chain_id, ledger, device, salt) VALUES (?, ?, ?, ?)',
    key.chainId,
    key.address,
    key.device,
    randomBytes(32),
  );
  return find()!;
}

function openChannel(db: DatabaseSync, book: BookRow, key: ChannelKey): ChannelRow {
  const find = () =>
    one<ChannelRow>(db, 'SELECT * FROM billing_channels WHERE channel_id = ?', key.channelId);
  const found = find();
  if (found) return found;
  run(
    db,
    'INSERT INTO billing_channels (book, channel_id, account, config, last_hash) VALUES (?, ?, ?, ?, ?)',
    book.id,
    key.channelId,
    key.account,
    key.config,
    ZERO_WORD,
  );
  return find()!;
}

/** Hash of the body that was billed under this id, if any. */
function billedBody(db: DatabaseSync, channel: number, requestId: string): Uint8Array | undefined {
  const row =
    one<{ request_sha: Uint8Array }>(
      db,
      'SELECT request_sha FROM billing_receipts WHERE channel = ? AND request_id = ?',
      channel,
      requestId,
    ) ??
    one<{ request_sha: Uint8Array }>(
      db,
      'SELECT request_sha FROM billing_pending WHERE channel = ? AND request_id = ?',
      channel,
      requestId,
    );
  return row?.request_sha;
}

function putAside(db: DatabaseSync, channel: number, use: Measured, time: ChargeTime): void {
  const { model, used, computeUs, answerSha } = use;
  run(
    db,
    `INSERT INTO billing_pending (channel, request_id, request_sha, measured, boot, monotonic)
     VALUES (?, ?, ?, ?, ?, ?)`,
    channel,
    use.requestId,
    use.requestSha,
    JSON.stringify({ model, used, computeUs, answer: Buffer.from(answerSha).toString('hex') }),
    time.boot,
    time.monotonic,
  );
}

/** Numbers, chains and stores receipts, and moves the channel and the book on. */
function append(
  db: DatabaseSync,
  book: BookRow,
  channel: ChannelRow,
  tariff: Tariff,
  uses: readonly Measured[],
  now: number,
): void {
  if (uses.length === 0) return;
  const separator = ledgerSeparator(book);
  let { seq, last_hash: prevHash } = channel;
  let cumulative = BigInt(channel.cumulative);
  let total = BigInt(book.total);
  let ordinal = book.receipts;
  keepPreimage(db, tariff.hash, tariff.json);
  for (const use of uses) {
    const usage = usageText(use.used);
    const amount = amountOf(tariff, use.used);
    cumulative += amount;
    total += amount;
    if (total > MAX_AMOUNT) throw new GatewayError('BILLING_AMOUNT', 'The total no longer fits 128 bits.');
    const receipt = {
      channelId: channel.channel_id,
      seq: ++seq,
      prevHash,
      requestId: use.requestId,
      tariffHash: tariff.hash,
      modelHash: modelHash(db, use.model),
      usageHash: keccak(utf8(usage)),
      ioHash: ioHash(ioSalt(book.salt, use.requestId), use.requestSha, use.answerSha),
      startedAtMs: use.startedAt,
      computeUs: use.computeUs,
      amount,
      cumulative,
    };
    prevHash = receiptHash(separator, receipt);
    run(
      db,
      'INSERT INTO billing_receipts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
      book.id,
      ++ordinal,
      channel.id,
      seq,
      use.requestId,
      use.requestSha,
      use.answerSha,
      tariff.hash,
      receipt.modelHash,
      usage,
      use.startedAt,
      use.computeUs,
      String(amount),
      String(cumulative),
      prevHash,
      now,
    );
  }
  run(
    db,
    'UPDATE billing_channels SET seq = ?, cumulative = ?, last_hash = ? WHERE id = ?',
    seq,
    String(cumulative),
    prevHash,
    channel.id,
  );
  run(db, 'UPDATE billing_books SET receipts = ?, total = ? WHERE id = ?', ordinal, String(total), book.id);
}

function keepPreimage(db: DatabaseSync, hash: Uint8Array, text: string): void {
  run(db, 'INSERT OR IGNORE INTO billing_preimages VALUES (?, ?)', hash, text);
}

/** Pure results kept for speed: the values are true in whichever transaction they were computed. */
const CACHE_ENTRIES = 256;
const tariffs = new Map<string, Tariff>();
const separators = new Map<string, Uint8Array>();
const models = new Map<string, Uint8Array>();

function cached<T>(cache: Map<string, T>, key: string, make: () => T): T {
  const known = cache.get(key);
  if (known !== undefined) return known;
  if (cache.size >= CACHE_ENTRIES) cache.clear();
  const value = make();
  cache.set(key, value);
  return value;
}

const readTariff = (json: string): Tariff => cached(tariffs, json, () => parseTariff(JSON.parse(json)));

const ledgerSeparator = (book: BookRow): Uint8Array =>
  cached(separators, `${book.chain_id}/${book.ledger}`, () =>
    separatorOf({ chainId: book.chain_id, address: book.ledger }),
  );

function modelHash(db: DatabaseSync, model: string): Uint8Array {
  const hash = cached(models, model, () => keccak(utf8(model)));
  keepPreimage(db, hash, model);
  return hash;
}
