import { asError } from '../gateway/errors.ts';
import type { FlowNode, Message, NodeConfig, Red } from '../red.ts';
import { StatusLine } from './common/attach.ts';
import { type Closed, CountWindows, TimeWindows, type Windows } from './common/windows.ts';

interface WindowConfig extends NodeConfig {
  readonly kind: 'count' | 'time';
  /** Readings in a window, or its length in seconds. */
  readonly size: string;
  /** Readings, or seconds, from one window to the next; empty: as long as the window. */
  readonly every: string;
  /** Columns, in order, by commas; empty: the payload is the value. */
  readonly fields: string;
  /** What windows are kept apart by: a member of the message. */
  readonly key: string;
}

/** Readings to windows, one row each, as models take them. */
export default function register(red: Red): void {
  red.nodes.registerType('aimx-window', function (this: FlowNode, config: WindowConfig) {
    red.nodes.createNode(this, config);
    const fields = (config.fields ?? '').split(',').flatMap((name) => name.trim() || []);
    const key = config.key || 'device';
    const windows = windowsOf(config);
    const line = new StatusLine(red, this);
    this.on('input', (message, send, done) => {
      try {
        const name = String(message[key] ?? '');
        if (message.reset === true) windows.reset(name);
        else {
          const closed = windows.add(name, timeOf(message), rowOf(message.payload, fields));
          for (const one of closed) send(outOf(message, one, fields, key, name));
          line.show('aimx-window.status', 'grey', 'dot', { keys: windows.keys, rows: windows.rows(name) });
        }
        done();
      } catch (cause) {
        done(asError(cause));
      }
    });
    this.on('close', (_removed, done) => {
      windows.clear();
      done();
    });
  });
}

function windowsOf({ kind, size, every }: WindowConfig): Windows {
  const length = Number(size) > 0 ? Number(size) : 8;
  const step = Number(every) > 0 ? Number(every) : length;
  return kind === 'time'
    ? new TimeWindows(length * 1000, step * 1000)
    : new CountWindows(Math.floor(length), Math.floor(step));
}

const timeOf = ({ time }: Message): number => (typeof time === 'number' ? time : Date.now());

/** @throws RangeError when a column is no number */
function rowOf(payload: unknown, fields: readonly string[]): number[] {
  const values =
    fields.length === 0
      ? [payload].flat()
      : fields.map((name) => (payload as Readonly<Record<string, unknown>> | null)?.[name]);
  return values.map((value, i) => {
    const number = typeof value === 'boolean' ? Number(value) : value;
    if (typeof number === 'number' && Number.isFinite(number)) return number;
    throw new RangeError(`${fields[i] ?? 'payload'} is no number: ${JSON.stringify(value)}`);
  });
}

function outOf(from: Message, closed: Closed, fields: readonly string[], key: string, name: string): Message {
  const { rows, start, end } = closed;
  const flat = rows.every((row) => row.length === 1) && fields.length <= 1;
  const { _msgid, topic, device } = from;
  return {
    ...(_msgid === undefined ? {} : { _msgid }),
    ...(topic === undefined ? {} : { topic }),
    ...(device === undefined ? {} : { device }),
    payload: flat ? rows.map((row) => row[0]) : rows,
    time: end,
    window: { key: name, by: key, count: rows.length, start, end, fields },
  };
}
