import { afterEach, describe, expect, test } from 'vitest';
import { keccak } from '../../gateway/billing/formats/bytes.ts';
import { NO_LEDGER } from '../../gateway/billing/formats/documents.ts';
import { deviceSigner } from '../../gateway/billing/keys/device-key.ts';
import { ChannelMeter } from '../../gateway/billing/metering/meter.ts';
import { DEFAULT_MAX_BYTES } from '../../gateway/billing/metering/space.ts';
import { Poster } from '../../gateway/billing/posting/poster.ts';
import { Settler } from '../../gateway/billing/posting/settler.ts';
import { listReceipts, receiptTotals } from '../../gateway/billing/receipts/receipts.ts';
import { DEFAULT_TARIFF } from '../../gateway/billing/tariff/tariff.ts';
import type { ChainAnswer, ChainView } from '../../gateway/ports/chain.ts';
import { recordingAlarms } from '../support/alarms.ts';
import { manualClock } from '../support/clock.ts';
import { recordingLog } from '../support/log.ts';
import { until } from '../support/until.ts';
import { moduleStore } from './harness.ts';
import { ledgerInMemory } from './ledger-in-memory.ts';
import { uses } from './uses.ts';

const signer = deviceSigner(keccak(Buffer.from('a device')));
const ledger = { chainId: 31337, address: `0x${'0a'.repeat(20)}` };
const book = { ...ledger, device: signer.address };
const running: Settler[] = [];
afterEach(() => Promise.all(running.splice(0).map((settler) => settler.stop())));

function setUp(rules: Partial<ConstructorParameters<typeof Poster>[0]['rules']> = {}) {
  const clock = manualClock();
  const store = moduleStore();
  const chain = ledgerInMemory(ledger);
  const alarms = recordingAlarms();
  const log = recordingLog();
  const all = {
    maxReceipts: 100,
    maxAgeMs: 3_600_000,
    idleMs: 10_000,
    replaceAfterMs: 30_000,
    maxFee: 10n ** 12n,
    ...rules,
  };
  const poster = new Poster({ store, chain, signer, book, clock, rules: all });
  const settler = new Settler({
    store,
    signer,
    book,
    tariff: DEFAULT_TARIFF,
    clock,
    log,
    alarms,
    poster,
    keepMs: 86_400_000,
    maxBytes: DEFAULT_MAX_BYTES,
  });
  running.push(settler);
  const meter = new ChannelMeter({
    book,
    token: NO_LEDGER.address,
    tariff: DEFAULT_TARIFF,
    clock,
    coalesceAbove: 1e9,
    maxBytes: DEFAULT_MAX_BYTES,
  });
  let n = 0;
  const charge = async (count: number) => {
    await store.commit({ ops: meter.charge(uses(n + 1, n + count)) });
    n += count;
  };
  /** Lets a second pass, and what it starts come to its end. */
  const second = async (seconds = 1) => {
    for (let i = 0; i < seconds; i++) {
      clock.advance(1_000);
      for (let turn = 0; turn < 60; turn++) await new Promise(setImmediate);
    }
  };
  settler.start();
  return { clock, store, chain, alarms, log, settler, charge, second };
}

const posted = async (store: Parameters<typeof receiptTotals>[0]) =>
  (await receiptTotals(store))[0]?.posted ?? 0;

describe('posting', () => {
  test('posts the first receipts at once, then waits for the pause to pass', async () => {
    const { store, chain, charge, second } = setUp();
    await charge(3);
    await second(2);
    expect(await posted(store)).toBe(3);
    await charge(2);
    await second(5);
    expect(await posted(store)).toBe(3);
    await second(8);
    expect(await posted(store)).toBe(5);
    expect(chain.sent).toHaveLength(2);
  });

  test('without a pause set, waits for the number of receipts or their age', async () => {
    const { clock, store, charge, second } = setUp({ idleMs: undefined });
    await charge(99);
    await second(3);
    expect(await posted(store)).toBe(0);
    await charge(1);
    await second(2);
    expect(await posted(store)).toBe(100);
    await charge(1);
    await second(2);
    expect(await posted(store)).toBe(100);
    clock.advance(3_600_000);
    await second(2);
    expect(await posted(store)).toBe(101);
  });

  test('a stuck transaction is replaced by one that holds more and pays more', async () => {
    const { store, chain, charge, second } = setUp();
    chain.automine = false;
    await charge(3);
    await second(2);
    await charge(4);
    await second(33);
    chain.mine();
    await second(2);
    expect(await posted(store)).toBe(7);
    const txs = store.db.prepare('SELECT nonce, max_fee, tip FROM billing_txs ORDER BY signed_at').all();
    expect(txs).toHaveLength(2);
    expect(txs.map((tx) => tx.nonce)).toEqual([0, 0]);
    expect(BigInt(txs[1]!.max_fee as string) * 1000n).toBeGreaterThanOrEqual(
      BigInt(txs[0]!.max_fee as string) * 1125n,
    );
    expect(BigInt(txs[1]!.tip as string)).toBeGreaterThan(BigInt(txs[0]!.tip as string));
  });

  test('a transaction that waits is handed over again every few seconds, in case the node dropped it', async () => {
    const { chain, charge, second } = setUp();
    chain.automine = false;
    await charge(3);
    await second(12);
    expect(chain.sent.length).toBeGreaterThanOrEqual(2);
    expect(new Set(chain.sent.map((raw) => Buffer.from(raw).toString('hex'))).size).toBe(1);
  });
});

describe('what is wrong is told, and nothing is lost', () => {
  test('an unreachable chain is asked less and less often, and alarmed after a minute', async () => {
    const { chain, alarms, store, settler, charge, second, log } = setUp();
    chain.answer = { ok: false, code: 'unreachable', reason: 'ECONNREFUSED' };
    await charge(3);
    await second(50);
    expect(alarms.active()).toEqual([]);
    await second(90);
    expect(alarms.active()).toMatchObject([{ kind: 'billing-chain' }]);
    expect(log.lines.filter((line) => line.message.includes('cannot post')).length).toBeLessThan(12);
    expect(settler.stats().chain).toBe('unavailable');
    chain.answer = undefined;
    await second(35);
    expect(alarms.active()).toEqual([]);
    expect(await posted(store)).toBe(3);
  });

  test('a wrong chain is alarmed at once', async () => {
    const { chain, alarms, charge, second } = setUp();
    chain.answer = { ok: false, code: 'wrong', reason: 'there is no ledger' };
    await charge(1);
    await second(2);
    expect(alarms.active()).toMatchObject([
      { kind: 'billing-chain', fix: expect.stringContaining('chainId') },
    ]);
  });

  test('a head that is not ours stops posting', async () => {
    const { chain, alarms, charge, second, settler } = setUp();
    await charge(1);
    const foreign: ChainAnswer<ChainView> = {
      ok: true,
      value: {
        block: 9,
        head: { head: new Uint8Array(32).fill(9), toSeq: 1000, batches: 3, total: 1n },
        finalHead: undefined,
        nonce: 3,
        baseFee: 1n,
        tip: 1n,
      },
    };
    chain.answer = foreign;
    await second(3);
    expect(alarms.active()).toMatchObject([{ kind: 'billing-head', severity: 'critical' }]);
    expect(chain.sent).toHaveLength(0);
    expect(settler.stats().chain).toBe('stopped');
  });

  test('fees above the cap make posting wait', async () => {
    const { chain, alarms, store, charge, second } = setUp();
    chain.baseFee = 10n ** 13n;
    await charge(1);
    await second(3);
    expect(alarms.active()).toMatchObject([{ kind: 'billing-fee' }]);
    expect(chain.sent).toHaveLength(0);
    chain.baseFee = 10n ** 9n;
    await second(2);
    expect(alarms.active()).toEqual([]);
    expect(await posted(store)).toBe(1);
  });

  test('a store that refuses is asked again', async () => {
    const { alarms, store, charge, second } = setUp();
    await charge(1);
    let full = true;
    store.onCommit((when) => {
      if (when === 'before' && full) throw new Error('STORE_FULL');
    });
    await second(2);
    expect(alarms.active()).toMatchObject([{ kind: 'billing-store' }]);
    full = false;
    await second(3);
    expect(alarms.active()).toEqual([]);
    expect(await posted(store)).toBe(1);
  });

  test('nothing is signed before the time is known', async () => {
    const { clock, chain, alarms, store, settler, charge, second } = setUp();
    clock.setSynced(false);
    await charge(3);
    await second(3);
    expect(await listReceipts(store)).toEqual([]);
    expect(settler.stats().headsSigned).toBe(0);
    expect(chain.sent).toHaveLength(0);
    expect(alarms.active()).toMatchObject([{ kind: 'billing-time' }]);
    clock.setSynced(true);
    await second(2);
    await until(async () => (await listReceipts(store)).length === 3, 'receipts');
    await second(2);
    expect(settler.stats().headsSigned).toBeGreaterThan(0);
    expect(await posted(store)).toBe(3);
    expect(alarms.active()).toEqual([]);
  });
});

test('signs a head for every 256 receipts and for the newest one', async () => {
  const { store, charge, second } = setUp();
  await charge(600);
  await second(3);
  const signed = store.db.prepare('SELECT seq FROM billing_heads ORDER BY seq').all();
  expect(signed.map((row) => row.seq)).toEqual([256, 512, 600]);
});

test('a chain that begins anew is told of when the receipts it would need are gone', async () => {
  const { store, chain, alarms, charge, second } = setUp();
  await charge(3);
  await second(3);
  expect(await posted(store)).toBe(3);
  const args = { before: Number.MAX_SAFE_INTEGER, maxBytes: DEFAULT_MAX_BYTES, limit: 1000 };
  await store.commit({ ops: [{ op: 'billing.prune', args }] });
  store.db.exec('DELETE FROM billing_batches');
  const head = { head: new Uint8Array(32), toSeq: 0, batches: 0, total: 0n };
  const view = { block: 1, head, finalHead: undefined, nonce: 0, baseFee: 1n, tip: 1n };
  chain.answer = { ok: true, value: view };
  await charge(2);
  await second(12);
  expect(store.db.prepare('SELECT count(*) AS n FROM billing_batches').get()).toEqual({ n: 0 });
  expect(alarms.active().map(({ kind }) => kind)).toContain('billing-head');
  expect(alarms.history.at(-1)!.message).toContain('receipts are no longer kept');
});
