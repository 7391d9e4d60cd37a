import { keccak, utf8, ZERO_WORD } from '../formats/bytes.ts';
import { type ReceiptEvidence, writeReceipt } from '../formats/wire.ts';
import { ioHash, ioSalt } from '../metering/measure.ts';
import type { PlacedRow } from './channel-queries.ts';

/** The rate in a tariff in a currency: a payer knows the rest of it. */
export function rateOf(tariff: string): Pick<ReceiptEvidence, 'rate'> {
  // Most tariffs are in AIMX, and not worth parsing for each receipt.
  if (!tariff.includes('"rate":{')) return {};
  const { rate } = JSON.parse(tariff) as { rate?: object };
  return rate ? { rate } : {};
}

/** A stored receipt as it stood in its answer. */
export function evidenceOf(row: PlacedRow, channelId: Uint8Array, bookSalt: Uint8Array): object {
  const salt = ioSalt(bookSalt, row.request_id);
  return writeReceipt({
    receipt: {
      ...{ channelId, seq: row.seq, prevHash: row.prev_hash ?? ZERO_WORD, requestId: row.request_id },
      ...{ tariffHash: row.tariff_hash, modelHash: keccak(utf8(row.model)) },
      usageHash: keccak(utf8(row.usage)),
      ioHash: ioHash(salt, row.request_sha, row.answer_sha),
      ...{ startedAtMs: row.started_at, computeUs: row.compute_us },
      ...{ amount: BigInt(row.amount), cumulative: BigInt(row.cumulative) },
    },
    model: JSON.parse(row.model) as ReceiptEvidence['model'],
    usage: JSON.parse(row.usage) as ReceiptEvidence['usage'],
    ...rateOf(row.tariff),
    ...{ salt, requestHash: row.request_sha, answerHash: row.answer_sha, hash: row.hash },
  });
}
