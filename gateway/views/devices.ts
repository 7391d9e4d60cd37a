import { GatewayError } from '../errors.ts';
import type { DeviceDetail, DeviceRow, DevicesQuery, Page } from '../http/index.ts';
import type { ReadingValue } from '../ports/reading.ts';
import type { JournalRecord } from '../store/types.ts';
import type { ViewParts } from './parts.ts';
import { shown } from './values.ts';

/** Fields that say how well a device is heard, or how long its battery lasts, in the order of preference. */
const SIGNALS = ['rssi', 'linkquality', 'lqi', 'snr', 'signal', 'battery'];
/** Rows whose newest reading is looked at for a signal; longer lists go without. */
const MAX_SIGNALS = 200;

interface Known {
  readonly name: string;
  readonly streams: DeviceRow['streams'];
  readonly places: { readonly stream: string; readonly seq: number; readonly arrival: number }[];
}

/** Devices of all streams, and those that only have an identity. */
export async function devicePage(parts: ViewParts, query: DevicesQuery): Promise<Page<DeviceRow>> {
  const { limit, stream, search, after, sort } = query;
  const wanted = search?.toLowerCase();
  const all = [...known(parts, stream).values()].filter(
    ({ name }) => wanted === undefined || name.toLowerCase().includes(wanted),
  );
  if (sort === 'seen') all.sort((a, b) => seen(b) - seen(a) || compare(a.name, b.name));
  else all.sort((a, b) => compare(a.name, b.name));
  const rest = after === undefined || sort === 'seen' ? all : all.filter(({ name }) => name > after);
  const page = rest.slice(0, limit);
  const roles = rolesOf(parts);
  const heard = page.length <= MAX_SIGNALS ? await Promise.all(page.map((one) => newestOf(parts, one))) : [];
  return {
    entries: page.map((one, i) => rowOf(parts, one, roles.get(one.name), heard[i] ?? [])),
    total: all.length,
    next: sort === 'name' && rest.length > limit ? page.at(-1)!.name : null,
  };
}

/** @throws GatewayError NOT_FOUND */
export async function deviceDetail(parts: ViewParts, name: string): Promise<DeviceDetail> {
  const one = known(parts, undefined).get(name);
  if (!one) throw new GatewayError('NOT_FOUND', `there is no device ${name}`, { received: name });
  const heard = await newestOf(parts, one);
  const identity = parts.access.identities.device(name);
  const { feed } = parts.pipelines;
  return {
    ...rowOf(parts, one, identity?.role, heard),
    createdAt: identity?.createdAt ?? null,
    newest: heard.map(({ stream, record }) => ({
      stream,
      time: record.time,
      arrival: record.arrival,
      fields: record.value.fields.map((field, i) => ({
        name: field,
        unit: unitOf(parts, stream, field),
        ...shown(record.value.values[i]!),
      })),
    })),
    results: feed.pipelines().flatMap((pipeline) => {
      const json = feed.latest(pipeline, name);
      return json === undefined ? [] : [JSON.parse(json) as DeviceDetail['results'][number]];
    }),
  };
}

function known(parts: ViewParts, stream: string | undefined): Map<string, Known> {
  const found = new Map<string, Known>();
  for (const [id, journal] of parts.readingStreams) {
    if (stream !== undefined && stream !== id) continue;
    for (const { device, count, lastSeq, lastTime, lastArrival } of journal.devices()) {
      let one = found.get(device);
      if (one === undefined) {
        one = { name: device, streams: [], places: [] };
        found.set(device, one);
      }
      one.streams.push({ stream: id, readings: count, lastTime, lastArrival });
      one.places.push({ stream: id, seq: lastSeq, arrival: lastArrival });
    }
  }
  if (stream === undefined) {
    for (const { name } of parts.access.identities.devices())
      if (!found.has(name)) found.set(name, { name, streams: [], places: [] });
  }
  return found;
}

interface Heard {
  readonly stream: string;
  readonly record: JournalRecord<ReadingValue>;
}

/** The newest reading of a device in each of its streams, where it is still kept; the newest first. */
async function newestOf({ readingStreams }: ViewParts, { name, places }: Known): Promise<Heard[]> {
  const heard: Heard[] = [];
  for (const { stream, seq } of places.toSorted((a, b) => b.arrival - a.arrival)) {
    const [record] = await readingStreams.get(stream)!.read(seq - 1, 1);
    if (record?.seq === seq && record.device === name) heard.push({ stream, record });
  }
  return heard;
}

function rowOf(parts: ViewParts, one: Known, role: string | undefined, heard: readonly Heard[]): DeviceRow {
  return {
    name: one.name,
    role: role ?? null,
    streams: [...one.streams],
    readings: one.streams.reduce((sum, { readings }) => sum + readings, 0),
    lastSeen: one.streams.length === 0 ? null : seen(one),
    signal: signalOf(parts, heard),
  };
}

function signalOf(parts: ViewParts, heard: readonly Heard[]): DeviceRow['signal'] {
  for (const { stream, record } of heard) {
    const { fields, values } = record.value;
    for (const signal of SIGNALS) {
      const at = fields.findIndex((field) => field.toLowerCase() === signal);
      const value = values[at];
      if (typeof value === 'number' && Number.isFinite(value))
        return { field: fields[at]!, value, unit: unitOf(parts, stream, fields[at]!), time: record.time };
    }
  }
  return null;
}

const unitOf = ({ config }: ViewParts, stream: string, field: string): string | null =>
  config.streams.find(({ id }) => id === stream)?.fields?.[field]?.unit ?? null;

const rolesOf = (parts: ViewParts): Map<string, string> =>
  new Map(parts.access.identities.devices().map(({ name, role }) => [name, role]));

const seen = ({ streams }: Known): number => Math.max(0, ...streams.map(({ lastArrival }) => lastArrival));

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
