import { createServer } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { anvilBinary } from '../../adapters/devchain/anvil.ts';
import { toHex } from '../../gateway/billing/formats/bytes.ts';
import { receiptTotals, verifyReceipt } from '../../gateway/billing/receipts/receipts.ts';
import { abiOf } from '../contracts-evm/chain.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { FaultRig } from './fault-rig.ts';

const RULES = {
  maxReceipts: 200,
  maxAgeMs: 86_400_000,
  idleMs: 0,
  replaceAfterMs: 3_000,
  maxFee: 500n * 10n ** 9n,
};
const FAULTS_PER_SEED = 75;
/** `AIMX_FAULT_SEEDS=20` tries that many seeds. */
const SEEDS = Array.from({ length: Number(process.env.AIMX_FAULT_SEEDS ?? 4) }, (_, i) => 11 + i);

/** Crashes at any statement and before and after each send, lost answers, dropped transactions, reorganisations, lost blocks, killed chains. */
test.skipIf(!anvilBinary()).each(SEEDS)(
  'every receipt is posted exactly once, whatever happens (seed %i)',
  async (seed) => {
    const rig = new FaultRig(temporaryFolder(), seed, RULES);
    onTestFinished(() => rig.stop());
    await rig.start(await freePort());
    for (let i = 0; i < 600 && rig.faults < FAULTS_PER_SEED; i++) await rig.turbulence();
    console.log(`seed ${seed}: ${rig.faults} faults ${JSON.stringify(Object.fromEntries(rig.counts))}`);
    expect(rig.faults).toBeGreaterThanOrEqual(FAULTS_PER_SEED);
    await rig.drain();

    const abi = abiOf('EdgeLedger');
    const events = (await rig.events()).map((log) => abi.parseLog(log)!.args.toObject());
    let head = `0x${'0'.repeat(64)}`;
    let toSeq = 0n;
    for (const event of events) {
      expect(event.prevHead).toBe(head);
      expect(event.toSeq).toBeGreaterThan(toSeq);
      ({ head, toSeq } = event as { head: string; toSeq: bigint });
    }
    const [totals] = await receiptTotals(rig.store);
    expect(totals).toMatchObject({ receipts: rig.receipts, posted: rig.receipts, final: rig.receipts });
    expect(toSeq).toBe(BigInt(rig.receipts));
    expect(String(events.at(-1)?.total)).toBe(totals?.total);

    const final = rig.store.db
      .prepare(
        "SELECT head, from_ordinal, to_ordinal FROM billing_batches WHERE state = 'FINAL' ORDER BY from_ordinal",
      )
      .all() as { head: Uint8Array; from_ordinal: number; to_ordinal: number }[];
    expect(final.map((batch) => toHex(batch.head))).toEqual(events.map((event) => event.head));
    const claimed = rig.store.db
      .prepare("SELECT count(*) AS n FROM billing_batches WHERE state = 'MINED'")
      .get();
    expect(claimed).toEqual({ n: 0 }); // what the chain took back does not go on claiming to be there
    let last = 0;
    for (const batch of final) {
      expect(batch.from_ordinal).toBe(last + 1);
      last = batch.to_ordinal;
    }
    for (const ordinal of [1, Math.ceil(rig.receipts / 2), rig.receipts])
      expect(await verifyReceipt(rig.store, `1:${ordinal}`)).toMatchObject({
        kind: 'incomplete',
        reason: 'no signed head yet',
      });
  },
  60_000,
);

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
