import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { keccak } from '../../../gateway/billing/formats/bytes.ts';
import { NO_LEDGER } from '../../../gateway/billing/formats/documents.ts';
import { deviceSigner } from '../../../gateway/billing/keys/device-key.ts';
import { ChannelMeter } from '../../../gateway/billing/metering/meter.ts';
import { DEFAULT_MAX_BYTES } from '../../../gateway/billing/metering/space.ts';
import { Poster } from '../../../gateway/billing/posting/poster.ts';
import { Settler } from '../../../gateway/billing/posting/settler.ts';
import { proofText, verifyProof } from '../../../gateway/billing/receipts/proof.ts';
import { showReceipt, verifyReceipt } from '../../../gateway/billing/receipts/receipts.ts';
import { DEFAULT_TARIFF } from '../../../gateway/billing/tariff/tariff.ts';
import { runCli } from '../../../gateway/commands/cli.ts';
import { randomFrom } from '../../billing/fault-rig.ts';
import { moduleStore } from '../../billing/harness.ts';
import { ledgerInMemory } from '../../billing/ledger-in-memory.ts';
import { uses } from '../../billing/uses.ts';
import { recordingAlarms } from '../../support/alarms.ts';
import { manualClock } from '../../support/clock.ts';
import { recordingLog } from '../../support/log.ts';
import { recordingTerminal } from '../../support/terminal.ts';
import { until } from '../../support/until.ts';
import { percentile, type Row, whole } from './row.ts';

const RECEIPTS = 10_000;
/** As far from the signed head as a receipt can be, and so the longest proof there is. */
const LONGEST = 257;
const SHORT = 510;
const FLIPS_OF_THE_LONGEST = 400;

/** Row 12: proofs out of a batch of 10,000, by the command and by the function behind it. */
export const verifyRow: Row = {
  number: 12,
  test: '`receipts verify` offline',
  target: '≤ 200 ms; any flipped byte fails; exit 0 valid, 1 invalid, 2 incomplete',
  async run({ seed, dir, say }) {
    const [longest, short] = await proofs();
    const times: number[] = [];
    for (let i = 0; i < 50; i++) {
      const began = performance.now();
      if (verifyProof(longest).kind !== 'valid') throw new Error('a true proof does not hold');
      times.push(performance.now() - began);
    }
    let [flips, survivors] = [0, 0];
    const flip = (text: string, at: number, bit: number): void => {
      const bytes = Buffer.from(text);
      bytes[at]! ^= 1 << bit;
      const changed = bytes.toString('utf8');
      if (changed === text) return;
      flips++;
      if (verifyProof(changed).kind !== 'invalid') survivors++;
    };
    for (let at = 0; at < Buffer.byteLength(short); at++) flip(short, at, at % 8);
    say(`${flips} flips of each byte of ${Buffer.byteLength(short)} tried, ${survivors} survived`);
    const random = randomFrom(seed);
    const size = Buffer.byteLength(longest);
    for (let i = 0; i < FLIPS_OF_THE_LONGEST; i++)
      flip(longest, Math.floor(random() * size), Math.floor(random() * 8));

    const proof = JSON.parse(short);
    const texts = [short, short.replace('"seq":', '"seq": '), proofText({ ...proof, batch: null })];
    const codes: number[] = [];
    let slowest = 0;
    for (const [i, text] of texts.entries()) {
      const file = join(dir, `${i}.json`);
      writeFileSync(file, text);
      const began = performance.now();
      codes.push(await runCli(['receipts', 'verify', file], recordingTerminal(dir)));
      if (i > 0) slowest = Math.max(slowest, performance.now() - began); // the first one loads the command
    }
    const worst = percentile(times, 1);
    const right = codes.join() === '0,1,2';
    return {
      passed: right && survivors === 0 && worst <= 200 && slowest <= 200,
      measured: `${worst.toFixed(0)} ms at worst for ${whole(size)} bytes, command ${slowest.toFixed(0)} ms once loaded; ${whole(flips)} flips, ${survivors} survived; exit ${codes.join(', ')}`,
    };
  },
};

/** The longest proof of a batch of 10,000 receipts, and a short one. */
async function proofs(): Promise<[string, string]> {
  const signer = deviceSigner(keccak(Buffer.from('verified device')));
  const ledger = { chainId: 31337, address: `0x${'0a'.repeat(20)}` };
  const [book, clock, store] = [{ ...ledger, device: signer.address }, manualClock(), moduleStore()];
  const common = { book, tariff: DEFAULT_TARIFF, clock, maxBytes: DEFAULT_MAX_BYTES };
  const meter = new ChannelMeter({ ...common, token: NO_LEDGER.address, coalesceAbove: 1e9 });
  const rules = {
    maxReceipts: RECEIPTS,
    maxAgeMs: 1e12,
    idleMs: undefined,
    replaceAfterMs: 1000,
    maxFee: 10n ** 12n,
  };
  const poster = new Poster({ store, chain: ledgerInMemory(ledger), signer, book, clock, rules });
  for (let n = 1; n <= RECEIPTS; n += 500) await store.commit({ ops: meter.charge(uses(n, n + 499)) });
  const parts = { ...common, store, signer, poster, keepMs: 1e12 };
  const settler = new Settler({ ...parts, log: recordingLog(), alarms: recordingAlarms() });
  settler.start();
  await until(
    async () => {
      clock.advance(1000);
      return (await verifyReceipt(store, `1:${LONGEST}`)).kind === 'valid';
    },
    'a valid receipt',
    60_000,
  );
  await settler.stop();
  const texts = [LONGEST, SHORT].map(async (n) => proofText((await showReceipt(store, `1:${n}`)).proof));
  return (await Promise.all(texts)) as [string, string];
}
