import { toHex } from '../../gateway/billing/formats/bytes.ts';
import { receiptTotals, verifyReceipt } from '../../gateway/billing/receipts/receipts.ts';
import { abiOf } from '../contracts-evm/open-chain.ts';
import type { FaultRig } from './fault-rig.ts';

/**
 * What is wrong after faults and a calm end: books against the chain's events. Nothing, when every receipt was posted
 * exactly once: no event without its predecessor, no gap, no duplicate, totals exact, batches in a row and final.
 */
export async function wrongInBooks(rig: FaultRig): Promise<string[]> {
  const wrong: string[] = [];
  const same = (what: string, found: unknown, expected: unknown): void => {
    if (String(found) !== String(expected)) wrong.push(`${what}: ${found}, not ${expected}`);
  };
  const abi = abiOf('EdgeLedger');
  const events = (await rig.events()).map((log) => abi.parseLog(log)!.args.toObject());
  let head = `0x${'0'.repeat(64)}`;
  let toSeq = 0n;
  for (const event of events) {
    same('an event builds on', event.prevHead, head);
    if (!((event.toSeq as bigint) > toSeq)) wrong.push(`an event goes from ${toSeq} to ${event.toSeq}`);
    ({ head, toSeq } = event as { head: string; toSeq: bigint });
  }
  same('the chain has', toSeq, rig.receipts);
  const [totals] = await receiptTotals(rig.store);
  for (const what of ['receipts', 'posted', 'final'] as const) same(what, totals?.[what], rig.receipts);
  same('the total on the chain is', events.at(-1)?.total, totals?.total);

  const final = rig.store.db
    .prepare(
      "SELECT head, from_ordinal, to_ordinal FROM billing_batches WHERE state = 'FINAL' ORDER BY from_ordinal",
    )
    .all() as { head: Uint8Array; from_ordinal: number; to_ordinal: number }[];
  same(
    'final batches',
    final.map((batch) => toHex(batch.head)),
    events.map((event) => event.head),
  );
  // What the chain took back does not go on claiming to be there.
  const mined = "SELECT count(*) AS n FROM billing_batches WHERE state = 'MINED'";
  same('batches that claim to be mined', (rig.store.db.prepare(mined).get() as { n: number }).n, 0);
  let last = 0;
  for (const batch of final) {
    same('a batch begins at', batch.from_ordinal, last + 1);
    last = batch.to_ordinal;
  }
  for (const ordinal of [1, Math.ceil(rig.receipts / 2), rig.receipts]) {
    const verdict = await verifyReceipt(rig.store, `1:${ordinal}`);
    // This rig signs no heads, so a receipt lacks that and nothing else.
    same(`receipt ${ordinal}`, verdict.kind === 'incomplete' && verdict.reason, 'no signed head yet');
  }
  return wrong;
}
