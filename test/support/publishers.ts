import mqtt from 'mqtt';

/** Devices that publish numbered readings with QoS 1 to a stream and go on through a broken connection. */
export interface Publisher {
  /** `<device>:<n>` of every reading whose PUBACK has arrived. */
  readonly acknowledged: string[];
  stop(): Promise<void>;
}

export interface PublisherOptions {
  readonly port: number;
  readonly stream: string;
  readonly devices: number;
  /** Messages a second over all devices. */
  readonly rate: number;
  /** Most readings of one device without an acknowledgement. */
  readonly window?: number;
  /** Characters of a field `note` that makes readings larger; default 0, no such field. */
  readonly note?: number;
}

const TICK_MS = 20;

/** Every device has its own connection; what is not acknowledged is sent again, in order, after a reconnect. */
export async function startPublishers(options: PublisherOptions): Promise<Publisher> {
  const acknowledged: string[] = [];
  const window = options.window ?? 20;
  const note = options.note ? { note: 'x'.repeat(options.note) } : {};
  const perTick = (options.rate * TICK_MS) / 1000 / options.devices;
  const devices = Array.from({ length: options.devices }, (_, index) => {
    const name = `device-${index}`;
    const client = mqtt.connect(`mqtt://127.0.0.1:${options.port}`, {
      clientId: `load-${name}`,
      clean: true,
      reconnectPeriod: 50,
      connectTimeout: 5000,
      protocolVersion: 4,
    });
    client.on('error', () => client.emit('offline'));
    return { name, client, next: 1, pending: new Set<number>(), credit: 0 };
  });
  const timer = setInterval(() => {
    for (const device of devices) {
      device.credit = Math.min(window, device.credit + perTick);
      while (device.credit >= 1 && device.pending.size < window && device.client.connected) {
        device.credit--;
        const n = device.next++;
        device.pending.add(n);
        const body = JSON.stringify({ n, value: Math.sin(n / 7) + (n % 97 === 0 ? 5 : 0), ...note });
        device.client.publish(`aimx/s/${options.stream}/${device.name}`, body, { qos: 1 }, (error) => {
          device.pending.delete(n);
          if (!error) acknowledged.push(`${device.name}:${n}`);
        });
      }
    }
  }, TICK_MS);
  let stopped = false;
  return {
    acknowledged,
    async stop() {
      if (stopped) return;
      stopped = true;
      clearInterval(timer);
      await Promise.all(devices.map((device) => device.client.endAsync(true)));
    },
  };
}
