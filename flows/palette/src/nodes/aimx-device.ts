import { asError } from '../gateway/errors.ts';
import type { FlowNode, Message, NodeConfig, Red } from '../red.ts';
import { type Attached, attach, statusOf } from './common/attach.ts';
import { Poll } from './common/poll.ts';

interface DeviceConfig extends NodeConfig {
  /** Empty: `msg.device`, or all. */
  readonly device: string;
  readonly stream: string;
  /** `ask`: at each message; `watch`: when a device falls silent or is back. */
  readonly mode: 'ask' | 'watch';
  /** Seconds without a reading after which a device counts as silent. */
  readonly silent: string;
}

/** A device as the gateway shows it. */
interface DeviceView {
  readonly name: string;
  readonly role: string | null;
  readonly streams: readonly {
    readonly stream: string;
    readonly readings: number;
    readonly lastArrival: number;
  }[];
}

const LIMIT = 1000;

/** Devices: what they sent last, and whether they are heard. */
export default function register(red: Red): void {
  red.nodes.registerType('aimx-device', function (this: FlowNode, config: DeviceConfig) {
    red.nodes.createNode(this, config);
    const attached = attach(red, this, config, false);
    if (!attached) return;
    if (config.mode === 'watch') watch(this, attached, config);
    this.on('input', (message, send, done) => {
      const name = config.device || (typeof message.device === 'string' ? message.device : '');
      read(attached, config.stream, name).then(
        (devices) => {
          attached.line.good();
          message.payload = name === '' ? devices.map(told) : devices[0] ? told(devices[0]) : null;
          send(message);
          done();
        },
        (cause: unknown) => {
          attached.line.bad(statusOf(cause));
          done(asError(cause));
        },
      );
    });
  });
}

async function read({ client }: Attached, stream: string, name: string): Promise<DeviceView[]> {
  const of = stream ? `&stream=${encodeURIComponent(stream)}` : '';
  const all = await client.api.get<DeviceView[]>(`/api/v1/devices?limit=${LIMIT}${of}`);
  return name === '' ? all : all.filter((device) => device.name === name);
}

const lastSeen = ({ streams }: DeviceView): number | null =>
  streams.length === 0 ? null : Math.max(...streams.map(({ lastArrival }) => lastArrival));

const told = (device: DeviceView): object => ({ ...device, lastSeen: lastSeen(device) });

/** The first look is the measure: a message follows for each change, and one for each device that is silent already. */
function watch(node: FlowNode, attached: Attached, { device, stream, silent }: DeviceConfig): void {
  const silentMs = 1000 * (Number(silent) > 0 ? Number(silent) : 300);
  const states = new Map<string, boolean>();
  const poll = new Poll(Math.min(Math.max(silentMs / 5, 250), 10_000), async () => {
    try {
      const [{ now }, devices] = await Promise.all([
        attached.client.api.get<{ readonly now: number }>('/api/v1/status'),
        read(attached, stream, device ?? ''),
      ]);
      let heard = 0;
      for (const one of devices) {
        const seen = lastSeen(one);
        const online = seen !== null && now - seen < silentMs;
        if (online) heard++;
        const before = states.get(one.name);
        states.set(one.name, online);
        if (before === online || (before === undefined && online)) continue;
        const message: Message = {
          topic: one.name,
          device: one.name,
          payload: online ? 'online' : 'silent',
          time: now,
        };
        node.send({ ...message, lastSeen: seen });
      }
      attached.line.good('heard', { heard, of: devices.length });
    } catch (cause) {
      attached.line.bad(statusOf(cause));
    }
  });
  attached.onClose(() => poll.stop());
}
