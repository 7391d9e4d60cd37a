import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PAGE_BYTES } from '../../gateway/store/writer/database.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { append, readAll, record, startedStore, TEXT } from './support.ts';

const RECORDS = 3000;
const SEED = 20260601;
/** More of them on a real gateway: `node test/fault/disk.ts`. */
const FLIPS = Number(process.env.AIMX_FLIPS ?? 32);
const LOG_FLIPS = FLIPS / 4;
const TEXT_OF = (seq: number) => `record ${seq} ${'.'.repeat(seq % 90)}`;

/** Numbers in [0, 1), the same for the same seed (MMIX's multiplier). */
function lcg(seed: number): () => number {
  let state = BigInt(seed);
  return () => {
    state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
    return Number(state >> 11n) / 2 ** 53;
  };
}

interface Files {
  readonly database: Buffer;
  /** The log of a gateway that was killed; absent when it stopped in order. */
  readonly log?: Buffer;
}

/** The files of a gateway that took records, a consumer's commits and states, and was stopped or killed. */
async function filled(end: 'stopped' | 'killed' = 'stopped'): Promise<Files> {
  const dir = temporaryFolder();
  const { store } = await startedStore(dir);
  const stream = store.stream('s', TEXT);
  const result = store.stream('$result/p', TEXT);
  const consumer = store.consumer('p', 's', 'oldest');
  for (let seq = 1; seq <= RECORDS; ) {
    const many = [1, 10, 50, 150][seq % 4]!;
    const records = [];
    for (let index = 0; index < many && seq <= RECORDS; index++, seq++) {
      records.push(record(TEXT_OF(seq), `d${seq % 7}`, seq));
    }
    await append(stream, ...records);
    await store.commit({
      appends: [{ stream: result.name, records: [record(`result ${seq}`)] }],
      cursors: [{ ...consumer, seq: Math.max(0, seq - 500) }],
      states: [{ consumer: 'p', key: `d${seq % 7}`, asOf: seq, bytes: new Uint8Array(40) }],
    });
  }
  const read = (file: string) => readFileSync(join(dir, file));
  // What is on disk while nothing is being written is what a kill leaves behind.
  const files = { database: read('gateway.db'), log: read('gateway.db-wal') };
  await store.stop();
  return end === 'killed' ? files : { database: read('gateway.db') };
}

/** Opens a gateway on the given files, reads everything, and says what came of it. */
async function inspect({ database, log }: Files) {
  const dir = temporaryFolder();
  writeFileSync(join(dir, 'gateway.db'), database);
  if (log !== undefined) writeFileSync(join(dir, 'gateway.db-wal'), log);
  const begun = performance.now();
  const { store, alarms } = await startedStore(dir);
  const openedMs = performance.now() - begun;
  const stream = store.stream('s', TEXT);
  store.stream('$result/p', TEXT);
  const first = await readAll(stream);
  await readAll(store.stream('$result/p', TEXT));
  await append(stream, record('new'));
  const all = await readAll(stream);
  const audit = await store.audit();
  await store.stop();
  return { first, all, audit, alarms, openedMs, quarantined: existsSync(join(dir, 'quarantine')) };
}

function flipped(bytes: Buffer, bit: number): Buffer {
  const bad = Buffer.from(bytes);
  bad[bit >> 3]! ^= 1 << (bit & 7);
  return bad;
}

type Seen = Awaited<ReturnType<typeof inspect>>;

/** What must hold whatever the damage was: open at once, nothing wrong is read, everything is accounted for. */
function expectHonest(seen: Seen, context: string): void {
  expect(seen.openedMs, context).toBeLessThan(5000);
  for (const row of seen.audit) expect(row.holds, `${context} ${JSON.stringify(row)}`).toBe(true);
  for (const one of seen.first) expect(one.value, context).toBe(TEXT_OF(one.seq));
  const kinds = seen.alarms.history.map((alarm) => alarm.kind);
  if (seen.quarantined) expect(kinds, context).toContain('store-corrupt');
  else if (seen.first.length < RECORDS) expect(kinds, context).toContain('store-damaged');
  // Numbers are never given out twice.
  expect(seen.all[seen.all.length - 1]?.value, context).toBe('new');
  expect(seen.all[seen.all.length - 1]?.seq, context).toBeGreaterThan(RECORDS);
}

describe('damage to the database', () => {
  it('costs at most one record per flipped bit, wherever it is, and the audit counts it', async () => {
    const { database } = await filled();
    const random = lcg(SEED);
    const below = (end: number) => Math.floor(random() * end);
    let rebuilt = 0;
    let lost = 0;
    for (let flip = 0; flip < FLIPS; flip++) {
      // Most of the file is records: every other flip goes where the structure is, the heads of pages and the schema.
      const page = below(database.length / PAGE_BYTES) * PAGE_BYTES;
      const byte = [below(database.length), page + below(24), below(database.length), below(PAGE_BYTES)][
        flip % 4
      ]!;
      const bit = byte * 8 + below(8);
      const seen = await inspect({ database: flipped(database, bit) });
      const context = `seed ${SEED}, bit ${bit} (page ${Math.floor(byte / PAGE_BYTES) + 1}, byte ${byte % PAGE_BYTES})`;
      expectHonest(seen, context);
      expect(seen.first.length, context).toBeGreaterThanOrEqual(RECORDS - 1);
      lost += RECORDS - seen.first.length;
      if (seen.quarantined) rebuilt++;
    }
    console.log(`seed ${SEED}: ${FLIPS} flips, ${rebuilt} needed a rebuild, ${lost} records lost in all`);
  }, 120_000);

  it('costs at most one record when a bit of the log flips after a kill', async () => {
    const { database, log } = await filled('killed');
    let lost = 0;
    const random = lcg(SEED + 2);
    for (let flip = 0; flip < LOG_FLIPS; flip++) {
      const bit = Math.floor(random() * (flip < LOG_FLIPS / 4 ? 32 * 8 : log!.length * 8));
      const seen = await inspect({ database, log: flipped(log!, bit) });
      const context = `seed ${SEED + 2}, bit ${bit} of the log`;
      expectHonest(seen, context);
      expect(seen.first.length, context).toBeGreaterThanOrEqual(RECORDS - 1);
      lost += RECORDS - seen.first.length;
    }
    console.log(`seed ${SEED + 2}: ${LOG_FLIPS} flips in the log, ${lost} records lost in all`);
  }, 60_000);

  it('costs what was cut off when the file is truncated', async () => {
    const { database } = await filled();
    const random = lcg(SEED + 1);
    for (let cut = 0; cut < 15; cut++) {
      const length = Math.floor(random() * database.length);
      const seen = await inspect({ database: database.subarray(0, length) });
      expectHonest(seen, `seed ${SEED + 1}, cut to ${length} of ${database.length}`);
    }
  }, 60_000);

  it('starts over, far above, when nothing can be read at all', async () => {
    const seen = await inspect({ database: Buffer.alloc(100_000, 0xa5) });
    expectHonest(seen, 'overwritten');
    expect(seen.all.length).toBe(1);
  });

  it('mends a database that goes bad while it is open', async () => {
    const dir = temporaryFolder();
    const { store, alarms } = await startedStore(dir, { tailBytes: 0 });
    const stream = store.stream('s', TEXT);
    const consumer = store.consumer('c', 's', 'oldest');
    const many = Array.from({ length: 200 }, (_, index) => record(`${index} ${'.'.repeat(3000)}`));
    for (let round = 0; round < 10; round++) await append(stream, ...many);
    const file = join(dir, 'gateway.db');
    const size = statSync(file).size;
    const bad = readFileSync(file);
    bad.fill(0xff, Math.floor(size / 2), Math.floor(size / 2) + 100 * 4096);
    writeFileSync(file, bad, { flag: 'r+' });
    const all = await readAll(stream);
    expect(all.length).toBeLessThan(2000);
    expect(all.length).toBeGreaterThan(1000);
    expect(stream.head).toBe(2000);
    await append(stream, record('after'));
    await store.commit({ cursors: [{ ...consumer, seq: 2000 }] });
    const kinds = alarms.history.map((alarm) => alarm.kind);
    expect(kinds.includes('store-corrupt') || kinds.includes('store-damaged')).toBe(true);
    const [row] = await store.audit();
    expect(row).toMatchObject({ accepted: 2001, pending: 1, holds: true });
    await store.stop();
  });
});
