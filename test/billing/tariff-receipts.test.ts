import { expect, test } from 'vitest';
import { fromHex, keccak } from '../../gateway/billing/formats/bytes.ts';
import { NO_LEDGER } from '../../gateway/billing/formats/documents.ts';
import { deviceSigner } from '../../gateway/billing/keys/device-key.ts';
import { ChannelMeter } from '../../gateway/billing/metering/meter.ts';
import { DEFAULT_MAX_BYTES } from '../../gateway/billing/metering/space.ts';
import { proofText, verifyProof } from '../../gateway/billing/receipts/proof.ts';
import { listReceipts, showReceipt } from '../../gateway/billing/receipts/receipts.ts';
import { parseTariff, rate } from '../../gateway/billing/tariff/tariff.ts';
import { manualClock } from '../support/clock.ts';
import { moduleStore } from './harness.ts';
import { uses } from './uses.ts';

const signer = deviceSigner(keccak(Buffer.from('a device')));

const tariff = parseTariff({
  version: 1,
  name: 'graduated',
  prices: { inference: [{ upTo: 10, price: '1001' }, { price: '333' }], compute_us: '3' },
  free: { inference: 5 },
  minimum: '777',
  hours: { factors: [{ from: '00:00', to: '23:59', ppm: 333_333 }] },
});

const meterOn = (maxBytes = DEFAULT_MAX_BYTES): ChannelMeter =>
  new ChannelMeter({
    book: { ...NO_LEDGER, device: signer.address },
    token: NO_LEDGER.address,
    tariff,
    clock: manualClock(),
    coalesceAbove: 1e9,
    maxBytes,
  });

test('receipts under a graduated tariff count on from each other, over commits, and each verifies by itself', async () => {
  const store = moduleStore();
  const meter = meterOn();
  const all = uses(1, 40);
  for (const part of [all.slice(0, 1), all.slice(1, 17), all.slice(17)])
    await store.commit({ ops: meter.charge(part) });
  const rows = await listReceipts(store, { limit: 100 });
  expect(rows).toHaveLength(40);
  let counted: ReturnType<typeof rate>['after'];
  let total = 0n;
  for (const use of all) {
    const rated = rate(tariff, counted, { inference: 1, compute_us: use.computeUs }, use.startedAt);
    counted = rated.after;
    total += rated.amount;
  }
  const newest = await showReceipt(store, rows[0]!.place);
  expect(BigInt(newest.proof.receipts[0]!.cumulative)).toBe(total);
  expect(newest.usage).not.toHaveProperty('before');
  for (const { place } of rows) {
    const { proof } = await showReceipt(store, place);
    // Without a chain there is no batch and here no head either; everything there is holds.
    expect(verifyProof(proofText(proof))).toMatchObject({ kind: 'incomplete' });
  }
});

test('a receipt that counts on from something else is found out', async () => {
  const store = moduleStore();
  await store.commit({ ops: meterOn().charge(uses(1, 12)) });
  const { proof } = await showReceipt(store, '1:12');
  const usage = JSON.parse(proof.receipts[0]!.usage) as { before: { quantities: Record<string, number> } };
  usage.before.quantities.inference! += 20;
  const receipts = [{ ...proof.receipts[0]!, usage: JSON.stringify(usage) }, ...proof.receipts.slice(1)];
  expect(verifyProof(proofText({ ...proof, receipts }))).toMatchObject({ kind: 'invalid' });
  expect(fromHex(proof.receipts[0]!.tariffHash)).toEqual(Buffer.from(tariff.hash));
});
