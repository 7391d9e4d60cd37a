import { beforeAll, expect, test } from 'vitest';
import { keccak } from '../../gateway/billing/formats/bytes.ts';
import { NO_LEDGER } from '../../gateway/billing/formats/documents.ts';
import { deviceSigner } from '../../gateway/billing/keys/device-key.ts';
import { ChannelMeter } from '../../gateway/billing/metering/meter.ts';
import { DEFAULT_MAX_BYTES } from '../../gateway/billing/metering/space.ts';
import { Poster } from '../../gateway/billing/posting/poster.ts';
import { Settler } from '../../gateway/billing/posting/settler.ts';
import { proofText, type ReceiptProof, verifyProof } from '../../gateway/billing/receipts/proof.ts';
import { showReceipt, verifyReceipt } from '../../gateway/billing/receipts/receipts.ts';
import { DEFAULT_TARIFF } from '../../gateway/billing/tariff/tariff.ts';
import { checkProof } from '../../gateway/http/web/client/proof/check.ts';
import { recordingAlarms } from '../support/alarms.ts';
import { manualClock } from '../support/clock.ts';
import { recordingLog } from '../support/log.ts';
import { until } from '../support/until.ts';
import { type ModuleStore, moduleStore } from './harness.ts';
import { ledgerInMemory } from './ledger-in-memory.ts';
import { uses } from './uses.ts';

const signer = deviceSigner(keccak(Buffer.from('a device')));
const ledger = { chainId: 31337, address: `0x${'0a'.repeat(20)}` };
const book = { ...ledger, device: signer.address };
let store: ModuleStore;
let proof: ReceiptProof;
let text: string;

beforeAll(async () => {
  store = moduleStore();
  const clock = manualClock();
  const meter = new ChannelMeter({
    book,
    token: NO_LEDGER.address,
    tariff: DEFAULT_TARIFF,
    clock,
    coalesceAbove: 1e9,
    maxBytes: DEFAULT_MAX_BYTES,
  });
  const rules = { maxReceipts: 1000, maxAgeMs: 1e9, idleMs: 0, replaceAfterMs: 1000, maxFee: 10n ** 12n };
  const poster = new Poster({ store, chain: ledgerInMemory(ledger), signer, book, clock, rules });
  await store.commit({ ops: meter.charge(uses(1, 40)) });
  const parts = {
    store,
    signer,
    book,
    tariff: DEFAULT_TARIFF,
    clock,
    poster,
    keepMs: 1e9,
    maxBytes: DEFAULT_MAX_BYTES,
  };
  const settler = new Settler({ ...parts, log: recordingLog(), alarms: recordingAlarms() });
  settler.start();
  await until(async () => {
    clock.advance(1000);
    return (await verifyReceipt(store, '1:38')).kind === 'valid';
  }, 'a valid receipt');
  await settler.stop();
  ({ proof } = await showReceipt(store, '1:38'));
  text = proofText(proof);
});

test('a proof stands by itself', () => {
  expect(proof.receipts).toHaveLength(3);
  expect(verifyProof(text)).toMatchObject({ kind: 'valid', head: proof.batch!.head });
});

test('the check of the dashboard, which shares no code with ours, agrees, also on flipped bits', () => {
  expect(checkProof(text)).toMatchObject({ verdict: 'valid', head: proof.batch!.head });
  const bytes = Buffer.from(text);
  const survivors: string[] = [];
  // A check takes 15 ms: every so many bytes, prime so that all kinds come by; AIMX_EVERY_BYTE=1 takes each.
  for (let i = 0; i < bytes.length; i += process.env.AIMX_EVERY_BYTE ? 1 : 17) {
    bytes[i]! ^= 1 << (i % 8);
    const changed = bytes.toString('utf8');
    if (changed !== text && holds(changed))
      survivors.push(`${i}: ${changed.slice(Math.max(0, i - 20), i + 20)}`);
    bytes[i]! ^= 1 << (i % 8);
  }
  expect(survivors).toEqual([]);
});

/** What cannot be read as a proof at all does not hold either. */
function holds(changed: string): boolean {
  try {
    return checkProof(changed).verdict !== 'invalid';
  } catch {
    return false;
  }
}

test('any flipped bit of any byte makes it invalid', () => {
  const bytes = Buffer.from(text);
  const survivors: string[] = [];
  for (let i = 0; i < bytes.length; i++) {
    // A verification takes milliseconds; one bit of each byte, another one from byte to byte.
    bytes[i]! ^= 1 << (i % 8);
    const changed = bytes.toString('utf8');
    if (changed !== text && verifyProof(changed).kind !== 'invalid')
      survivors.push(`${i}: ${changed.slice(Math.max(0, i - 20), i + 20)}`);
    bytes[i]! ^= 1 << (i % 8);
  }
  expect(survivors).toEqual([]);
});

test.each<[string, (p: ReceiptProof) => unknown]>([
  [
    'another amount',
    (p) => ({ ...p, receipts: [{ ...p.receipts[0]!, amount: '1' }, ...p.receipts.slice(1)] }),
  ],
  ['a receipt left out', (p) => ({ ...p, receipts: [p.receipts[0]!, ...p.receipts.slice(2)] })],
  ['receipts in another order', (p) => ({ ...p, receipts: p.receipts.toReversed() })],
  ['another tariff', (p) => ({ ...p, tariff: p.tariff.replace('default', 'cheaper') })],
  ["another device's name", (p) => ({ ...p, device: `0x${'22'.repeat(20)}` })],
  ['another chain', (p) => ({ ...p, ledger: { ...p.ledger, chainId: 1 } })],
  ['another total', (p) => ({ ...p, batch: { ...p.batch!, total: '5' } })],
  ['a shorter Merkle proof', (p) => ({ ...p, batch: { ...p.batch!, proof: p.batch!.proof.slice(1) } })],
  ["the head's signature for the batch", (p) => ({ ...p, batch: { ...p.batch!, signature: p.signature } })],
  ['more than a proof holds', (p) => ({ ...p, note: 'x' })],
])('%s is invalid', (_, change) => {
  expect(verifyProof(proofText(change(proof) as ReceiptProof)).kind).toBe('invalid');
});

test.each([
  '',
  'null',
  '[]',
  '{}',
  '{"__proto__":1}',
  '1e999',
  '\u0000',
  '{"format":"aimx-receipt-proof/1"}',
])('what is no proof (%j) is invalid, never thrown', (given) => {
  expect(verifyProof(given).kind).toBe('invalid');
});

test('without a signed head or a final batch it is incomplete', () => {
  expect(verifyProof(proofText({ ...proof, batch: null }))).toMatchObject({ kind: 'incomplete' });
  const unsigned = { ...proof, receipts: proof.receipts.slice(0, 1), signature: null };
  expect(verifyProof(proofText(unsigned))).toMatchObject({ kind: 'incomplete' });
});

test('a changed row in the database is found', async () => {
  const columns = [
    'usage',
    'amount',
    'cumulative',
    'started_at',
    'compute_us',
    'request_key',
    'hash',
    'answer_sha',
  ];
  for (const column of columns) {
    store.db.exec('SAVEPOINT change');
    const value = ['hash', 'answer_sha'].includes(column) ? 'zeroblob(32)' : `${column} || '1'`;
    store.db.exec(`UPDATE billing_receipts SET ${column} = ${value} WHERE ordinal = 38`);
    expect.soft((await verifyReceipt(store, '1:38')).kind, column).toBe('invalid');
    store.db.exec('ROLLBACK TO change');
    store.db.exec('RELEASE change');
  }
  expect((await verifyReceipt(store, '1:38')).kind).toBe('valid');
});

test('a tree that was given up is made again from its receipts', async () => {
  store.db.exec('DELETE FROM billing_trees');
  expect((await showReceipt(store, '1:38')).proof).toEqual(proof);
  store.db.exec('DELETE FROM billing_receipts WHERE ordinal = 2');
  expect((await verifyReceipt(store, '1:38')).kind).toBe('incomplete');
});
