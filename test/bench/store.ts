import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { textCodec } from '../../gateway/store/codecs.ts';
import { openStore } from '../../gateway/store/store.ts';
import type { NewRecord } from '../../gateway/store/types.ts';
import { createAlarms } from '../../gateway/system/alarms.ts';
import { systemClock } from '../../gateway/system/clock.ts';
import { recordingLog } from '../support/log.ts';

/**
 * What the journal costs: `node test/bench/store.ts [--rows N] [--devices N] [--bytes N] [--durability full|normal]`.
 * Prints main-thread microseconds per record, records per second, and bytes written to the disk per payload byte.
 */
const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '400000' },
    devices: { type: 'string', default: '100' },
    bytes: { type: 'string', default: '150' },
    rate: { type: 'string', default: '0' },
    durability: { type: 'string', default: 'full' },
    rounds: { type: 'string', default: '3' },
    dir: { type: 'string', default: tmpdir() },
  },
});

const rows = Number(values.rows);
const deviceCount = Number(values.devices);
const payload = 'x'.repeat(Number(values.bytes));
const durability = values.durability === 'normal' ? 'normal' : 'full';

console.log(
  `node ${process.version}, ${availableParallelism()} cores, load ${loadavg()[0]?.toFixed(2)}, ` +
    `${rows} records of ${payload.length} B, ${deviceCount} devices, durability ${durability}`,
);
for (const depth of [100, 1000, 4000]) {
  for (let round = 0; round < Number(values.rounds); round++) await run(depth);
}
if (Number(values.rate) > 0) await steady(Number(values.rate));

async function opened() {
  const dir = mkdtempSync(join(values.dir, 'aimx-bench-'));
  const clock = systemClock();
  const log = recordingLog();
  const store = openStore({ dir, durability, clock, log, alarms: createAlarms(log), modules: [] });
  const stream = store.stream<string>('bench', {
    codec: textCodec,
    maxBytes: 256 * 1024 * 1024,
    maxAgeMs: 86_400_000,
    whenFull: 'drop-oldest',
    maxDevices: 100_000,
    internal: false,
  });
  await store.start(new AbortController().signal);
  store.consumer('reader', 'bench', 'oldest');
  const close = async () => {
    await store.stop();
    rmSync(dir, { recursive: true, force: true });
  };
  return { store, stream, close };
}

function makeRecords(): NewRecord<string>[] {
  return Array.from({ length: deviceCount }, (_, index) => ({
    device: `device-${index}`,
    time: 1_750_000_000_000 + index,
    flags: 0,
    value: payload,
  }));
}

/** Keeps `depth` records on their way, each appended alone, as a door does with that many messages in flight. */
async function run(depth: number): Promise<void> {
  const { store, stream, close } = await opened();
  const batches = makeRecords().map((record) => [record]);
  const written = bytesWritten();
  const busy = performance.eventLoopUtilization();
  const cpu = process.threadCpuUsage();
  const begun = performance.now();
  await new Promise<void>((resolve, reject) => {
    let sent = 0;
    let done = 0;
    const next = (error: Error | null) => {
      if (error !== null) return reject(error);
      done++;
      if (done === rows) resolve();
      if (sent < rows) stream.append(batches[sent++ % deviceCount]!, next);
    };
    while (sent < depth) stream.append(batches[sent++ % deviceCount]!, next);
  });
  const ms = performance.now() - begun;
  const used = process.threadCpuUsage(cpu);
  const { active } = performance.eventLoopUtilization(busy);
  const { recordsPerCommit } = store.health;
  const wrote = bytesWritten() - written;
  console.log(
    `depth ${String(depth).padStart(4)}: ${(((used.user + used.system) / rows) as number).toFixed(2)} µs CPU per record on the ` +
      `main thread (${((active * 1000) / rows).toFixed(2)} busy), ${Math.round((rows / ms) * 1000)} records/s, ` +
      `${recordsPerCommit.toFixed(0)} per commit, ${(wrote / (rows * payload.length)).toFixed(2)} B written per payload byte`,
  );
  await close();
}

/** A steady rate for five seconds: what a commit adds to the latency of a message, and what it costs. */
async function steady(rate: number): Promise<void> {
  const { store, stream, close } = await opened();
  const batches = makeRecords().map((record) => [record]);
  const latencies: number[] = [];
  const cpu = process.cpuUsage();
  const begun = performance.now();
  let sent = 0;
  while (performance.now() - begun < 5000) {
    const due = ((performance.now() - begun) * rate) / 1000;
    for (; sent < due; sent++) {
      const at = performance.now();
      stream.append(batches[sent % deviceCount]!, () => latencies.push(performance.now() - at));
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  const used = process.cpuUsage(cpu);
  latencies.sort((a, b) => a - b);
  const at = (share: number) => (latencies[Math.floor(latencies.length * share)] ?? 0).toFixed(2);
  console.log(
    `steady ${rate}/s: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, ${store.health.recordsPerCommit.toFixed(1)} per commit, ` +
      `${((used.user + used.system) / sent).toFixed(1)} µs CPU per record in all threads`,
  );
  await close();
}

/** Bytes this process has handed to block devices (Linux), 0 elsewhere. */
function bytesWritten(): number {
  try {
    return Number(/^write_bytes: (\d+)/m.exec(readFileSync('/proc/self/io', 'utf8'))?.[1] ?? 0);
  } catch {
    return 0; // not Linux: the figure is left out
  }
}
