/*
 * Main-thread cost of Intake.offer without the store: routing, decoding and building the readings.
 * Run: node test/bench/decode.ts [messages per round]
 */
import { encode } from 'cbor2';
import { configSchema } from '../../gateway/config/schema.ts';
import { createIntake, readingCodec } from '../../gateway/ingest/index.ts';
import type { ReadingValue } from '../../gateway/ports/reading.ts';
import type { Inbound } from '../../gateway/ports/source.ts';
import { GrowableBytes } from '../../gateway/store/bytes.ts';
import type { JournalStream, NewRecord, Store } from '../../gateway/store/types.ts';
import { systemClock } from '../../gateway/system/clock.ts';
import { recordingLog } from '../support/log.ts';

const MESSAGES = Number(process.argv[2] ?? 100_000);
const ROUNDS = 7;
const DEVICES = 500;

const fields = {
  value: { path: '$.t', unit: 'Cel', min: -50, max: 400 },
  humidity: { path: '$.h' },
  ok: { type: 'boolean' },
};
const config = configSchema.parse({
  streams: [
    { id: 'plain', from: { mqtt: 'plain/{device}/m' } },
    { id: 'mapped', from: { mqtt: 'mapped/{device}/m' }, fields, time: { path: '$.ts' } },
    { id: 'cbor', decode: 'cbor', fields, time: { path: '$.ts' } },
    { id: 'senml', decode: 'senml+json', fields: { t: { unit: 'Cel' }, h: {} } },
    { id: 'text', decode: 'text' },
    { id: 'window' },
  ],
});

const body = {
  t: 21.53,
  h: 45.1,
  ok: true,
  ts: Date.now(),
  unit: 'Cel',
  firmware: '1.4.2-rc1',
  battery: 87,
  rssi: -71,
  sensor: 'press-1-temperature',
  seq: 123456,
};
const payloads: Readonly<Record<string, [address: string, payload: Uint8Array]>> = {
  plain: ['plain/D/m', Buffer.from(JSON.stringify(body))],
  mapped: ['mapped/D/m', Buffer.from(JSON.stringify(body))],
  cbor: ['aimx/s/cbor/D', encode(body)],
  senml: ['aimx/s/senml/D', Buffer.from('[{"bt":1780000000,"n":"t","u":"Cel","v":21.5},{"n":"h","v":45.1}]')],
  text: ['aimx/s/text/D', Buffer.from('21.53')],
  window: [
    'aimx/s/window/D',
    Buffer.from(JSON.stringify({ w: Array.from({ length: 512 }, () => Math.random() * 20) })),
  ],
};

/** Takes records and answers at once, so that only the intake is measured. */
const journal = (): JournalStream<ReadingValue> & { readonly last: () => NewRecord<ReadingValue> } => {
  let last: NewRecord<ReadingValue>;
  return {
    append(records: readonly NewRecord<ReadingValue>[], done: (error: Error | null) => void) {
      last = records[0]!;
      done(null);
    },
    last: () => last,
  } as unknown as JournalStream<ReadingValue> & { readonly last: () => NewRecord<ReadingValue> };
};

const streams = new Map(config.streams.map((stream) => [stream.id, journal()]));
const intake = createIntake({
  config,
  store: { stream: journal } as unknown as Store,
  streams,
  clock: systemClock(),
  log: recordingLog(),
});

const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1]!;

console.log(`node ${process.version}, ${MESSAGES} messages × ${ROUNDS} rounds, ${DEVICES} devices`);
for (const [id, [address, payload]] of Object.entries(payloads)) {
  const messages: Inbound[] = Array.from({ length: DEVICES }, (_, i) => ({
    door: 'mqtt',
    address: address.replace('D', `device-${i}`),
    payload,
  }));
  const count = id === 'window' ? MESSAGES / 10 : MESSAGES;
  const rounds: number[] = [];
  let stored = 0;
  const done = (disposition: { kind: string }): void => {
    if (disposition.kind === 'stored') stored++;
  };
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    for (let i = 0; i < count; i++) intake.offer(messages[i % DEVICES]!, done);
    rounds.push(((performance.now() - start) / count) * 1000);
  }
  if (stored !== count * ROUNDS) throw new Error(`${id}: ${stored} of ${count * ROUNDS} stored`);

  const { value } = streams.get(id)!.last();
  const out = new GrowableBytes(1 << 20);
  readingCodec.encode(value, out);
  const size = out.length;
  const record = Uint8Array.from(out.written());
  const encodeStart = performance.now();
  for (let i = 0; i < count; i++) {
    out.truncate(0);
    readingCodec.encode(value, out);
  }
  const encodeUs = ((performance.now() - encodeStart) / count) * 1000;
  const decodeStart = performance.now();
  for (let i = 0; i < count; i++) readingCodec.decode(record);
  const decodeUs = ((performance.now() - decodeStart) / count) * 1000;
  console.log(
    `${id.padEnd(8)} ${String(payload.length).padStart(6)} B  offer ${median(rounds).toFixed(2)} µs` +
      `  journal ${size} B: encode ${encodeUs.toFixed(2)} µs, decode ${decodeUs.toFixed(2)} µs`,
  );
}
