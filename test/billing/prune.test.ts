import { expect, test } from 'vitest';
import { keccak } from '../../gateway/billing/formats/bytes.ts';
import { NO_LEDGER } from '../../gateway/billing/formats/documents.ts';
import { deviceSigner } from '../../gateway/billing/keys/device-key.ts';
import { ChannelMeter } from '../../gateway/billing/metering/meter.ts';
import { DEFAULT_MAX_BYTES } from '../../gateway/billing/metering/space.ts';
import { Poster } from '../../gateway/billing/posting/poster.ts';
import { listReceipts, receiptTotals, verifyReceipt } from '../../gateway/billing/receipts/receipts.ts';
import { DEFAULT_TARIFF } from '../../gateway/billing/tariff/tariff.ts';
import { manualClock } from '../support/clock.ts';
import { moduleStore } from './harness.ts';
import { ledgerInMemory } from './ledger-in-memory.ts';
import { uses } from './uses.ts';

const signer = deviceSigner(keccak(Buffer.from('a device')));
const ledger = { chainId: 31337, address: `0x${'0a'.repeat(20)}` };

function setUp(of: typeof ledger) {
  const clock = manualClock();
  const store = moduleStore();
  const book = { ...of, device: signer.address };
  const options = {
    book,
    token: NO_LEDGER.address,
    tariff: DEFAULT_TARIFF,
    clock,
    coalesceAbove: 1e9,
    maxBytes: DEFAULT_MAX_BYTES,
  };
  const meter = new ChannelMeter(options);
  const rules = { maxReceipts: 100, maxAgeMs: 1e9, idleMs: 0, replaceAfterMs: 1e6, maxFee: 10n ** 12n };
  const poster = new Poster({ store, chain: ledgerInMemory(ledger), signer, book, clock, rules });
  const charge = (from: number, to: number) => store.commit({ ops: meter.charge(uses(from, to)) });
  const prune = async (before: number, limit = 1000) =>
    (
      await store.commit({
        ops: [{ op: 'billing.prune', args: { before, limit, maxBytes: DEFAULT_MAX_BYTES } }],
      })
    )[0];
  return { clock, store, poster, charge, prune };
}

test('removes what is old and final, in steps, and nothing else', async () => {
  const { clock, store, poster, charge, prune } = setUp(ledger);
  await charge(1, 10);
  await poster.round();
  await poster.round();
  await charge(11, 15); // as old, but not in the chain
  clock.advance(1000);
  await charge(16, 20);
  expect(await prune(clock.now(), 4)).toBe(4);
  expect(await prune(clock.now())).toBe(6);
  expect(await prune(clock.now())).toBe(0);
  expect((await listReceipts(store)).map((r) => r.seq).toReversed()).toEqual([
    11, 12, 13, 14, 15, 16, 17, 18, 19, 20,
  ]);
  expect(await receiptTotals(store)).toMatchObject([{ receipts: 20, final: 10 }]);

  await poster.round();
  await poster.round();
  expect(await receiptTotals(store)).toMatchObject([{ receipts: 20, final: 20 }]);
  expect((await verifyReceipt(store, '1:11')).kind).toBe('incomplete');
  expect(await prune(clock.now())).toBe(5);
  await charge(21, 22);
  expect((await listReceipts(store)).map((r) => r.seq)).toEqual([22, 21, 20, 19, 18, 17, 16]);
});

test('without a chain, age alone counts', async () => {
  const { clock, store, charge, prune } = setUp(NO_LEDGER);
  await charge(1, 10);
  clock.advance(1000);
  await charge(11, 12);
  expect(await prune(clock.now())).toBe(10);
  expect((await listReceipts(store)).map((r) => r.seq)).toEqual([12, 11]);
});
