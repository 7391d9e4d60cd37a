import type { DatabaseSync } from 'node:sqlite';
import { GatewayError } from '../../errors.ts';
import { type BookRow, type ChannelRow, newestOf } from '../book-rows.ts';
import { keccak, utf8 } from '../formats/bytes.ts';
import { receiptHash, separatorOf } from '../formats/documents.ts';
import { one, run } from '../statements.ts';
import { type Counted, rate, readyTariff, type Tariff, type TariffDocument } from '../tariff/rate.ts';
import { HEAD_EVERY } from './limits.ts';
import { ioHash, ioSalt, type Measured, usageText } from './measure.ts';
import { requestKey } from './request-key.ts';
import { HEAD_BYTES, LEAF_BYTES, receiptBytes } from './space.ts';

/** A ledger's total is 128 bits wide; with this much per channel the 10,000 that a gateway may have fit it. */
const MAX_CUMULATIVE = (2n ** 128n - 1n) / 10_000n;

/** Numbers, chains and stores receipts, and moves the channel on. */
export function append(
  db: DatabaseSync,
  book: BookRow,
  channel: ChannelRow,
  tariff: Tariff,
  uses: readonly Measured[],
  now: number,
): void {
  if (uses.length === 0) return;
  const separator = ledgerSeparator(book);
  let { seq, last_hash: prevHash, last_ordinal: before } = channel;
  let cumulative = BigInt(channel.cumulative);
  let { ordinal, bytes_to: bytes } = newestOf(db, book);
  const tariffPlace = keepPreimage(db, tariff.hash, tariff.json);
  const { counting } = tariff;
  const countingPlace = tariff.stateful ? keepPreimage(db, counting.hash, counting.json) : tariffPlace;
  let counted = tariff.stateful ? readCounted(db, channel.id, countingPlace) : undefined;
  const models = new Map<string, { hash: Uint8Array; place: number }>();
  const leaf = book.chain_id === 0 ? 0 : LEAF_BYTES;
  bytes += HEAD_BYTES; // at most one signed head for what is appended at once, besides those at each HEAD_EVERY
  for (const use of uses) {
    const { amount, before: earlier, after } = rate(tariff, counted, use.used, use.startedAt);
    const usage = usageText(use.used, earlier);
    counted = after;
    cumulative += amount;
    if (cumulative > MAX_CUMULATIVE)
      throw new GatewayError('BILLING_AMOUNT', 'The total no longer fits 128 bits.');
    let model = models.get(use.model);
    if (!model) {
      const hash = cached(modelHashes, use.model, () => keccak(utf8(use.model)));
      model = { hash, place: keepPreimage(db, hash, use.model) };
      models.set(use.model, model);
    }
    prevHash = receiptHash(separator, {
      channelId: channel.channel_id,
      seq: ++seq,
      prevHash,
      requestId: use.requestId,
      tariffHash: tariff.hash,
      modelHash: model.hash,
      usageHash: keccak(utf8(usage)),
      ioHash: ioHash(ioSalt(book.salt, use.requestId), use.requestSha, use.answerSha),
      startedAtMs: use.startedAt,
      computeUs: use.computeUs,
      amount,
      cumulative,
    });
    const key = requestKey(use.requestId);
    const texts = [usage, String(amount), String(cumulative)] as const;
    bytes += receiptBytes(key, texts[0].length + texts[1].length + texts[2].length) + leaf;
    ordinal++;
    if (seq % HEAD_EVERY === 0) {
      bytes += HEAD_BYTES;
      run(db, 'INSERT INTO billing_marks VALUES (?, ?, ?)', channel.id, seq, ordinal);
    }
    run(
      db,
      'INSERT INTO billing_receipts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
      book.id,
      ordinal,
      channel.id,
      seq,
      key,
      use.requestSha,
      use.answerSha,
      tariffPlace,
      model.place,
      usage,
      use.startedAt,
      use.computeUs,
      texts[1],
      texts[2],
      prevHash,
      now,
      before,
      bytes,
    );
    before = ordinal;
  }
  if (counted)
    run(
      db,
      'INSERT OR REPLACE INTO billing_counts VALUES (?, ?, ?)',
      channel.id,
      countingPlace,
      JSON.stringify(counted),
    );
  run(
    db,
    'UPDATE billing_channels SET seq = ?, cumulative = ?, last_hash = ?, last_ordinal = ? WHERE id = ?',
    seq,
    String(cumulative),
    prevHash,
    before,
    channel.id,
  );
}

/** What the channel has used under this tariff; a new tariff begins to count anew, a new rate does not. */
function readCounted(db: DatabaseSync, channel: number, tariff: number): Counted | undefined {
  const row = one<{ counted: string }>(
    db,
    'SELECT counted FROM billing_counts WHERE channel = ? AND tariff = ?',
    channel,
    tariff,
  );
  return row && (JSON.parse(row.counted) as Counted);
}

/** Hash of the body that was billed under this id, if any. */
export function billedBody(db: DatabaseSync, channel: number, requestId: string): Uint8Array | undefined {
  const row =
    one<{ request_sha: Uint8Array }>(
      db,
      'SELECT request_sha FROM billing_receipts WHERE channel = ? AND request_key = ?',
      channel,
      requestKey(requestId),
    ) ??
    one<{ request_sha: Uint8Array }>(
      db,
      'SELECT request_sha FROM billing_pending WHERE channel = ? AND request_id = ?',
      channel,
      requestId,
    );
  return row?.request_sha;
}

/** Keeps the text behind a hash, once; answers its place. */
export function keepPreimage(db: DatabaseSync, hash: Uint8Array, text: string): number {
  const find = () => one<{ id: number }>(db, 'SELECT id FROM billing_preimages WHERE hash = ?', hash)?.id;
  const found = find();
  if (found !== undefined) return found;
  run(db, 'INSERT INTO billing_preimages (hash, text) VALUES (?, ?)', hash, text);
  return find()!;
}

/** Pure results kept for speed: the values are true in whichever transaction they were computed. */
const CACHE_ENTRIES = 256;
const tariffs = new Map<string, Tariff>();
const separators = new Map<string, Uint8Array>();
const modelHashes = new Map<string, Uint8Array>();

function cached<T>(cache: Map<string, T>, key: string, make: () => T): T {
  const known = cache.get(key);
  if (known !== undefined) return known;
  if (cache.size >= CACHE_ENTRIES) cache.clear();
  const value = make();
  cache.set(key, value);
  return value;
}

export const readTariff = (json: string): Tariff =>
  cached(tariffs, json, () => readyTariff(JSON.parse(json) as TariffDocument));

/**
 * The tariff by which a gateway's owner is metered. Where prices are in a currency whose rate has ended uses are counted and not
 * priced: nothing is paid there, and the data path does not wait for a rate.
 */
export function ownersTariff(json: string, now: number): Tariff {
  const tariff = readTariff(json);
  const { currency, exchange } = tariff;
  if (currency === undefined || (exchange && now <= exchange.validUntil)) return tariff;
  const { version, name } = JSON.parse(json) as TariffDocument & { version: 1; name: string };
  return readTariff(
    JSON.stringify({ version, name: `${name.slice(0, 180)}, without a rate`, fixed: '0', prices: {} }),
  );
}

const ledgerSeparator = (book: BookRow): Uint8Array =>
  cached(separators, `${book.chain_id}/${book.ledger}`, () =>
    separatorOf({ chainId: book.chain_id, address: book.ledger }),
  );
