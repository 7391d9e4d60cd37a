import { randomBytes } from 'node:crypto';
import { connect, type IClientOptions, type MqttClient } from 'mqtt';
import { GatewayError } from '../../gateway/errors.ts';
import type { ReplayMessage, ReplayTransport } from '../../gateway/ports/replay-transport.ts';

export interface MqttReplayOptions {
  /** `mqtt://`, `mqtts://`, `ws://` or `wss://` address of the door. */
  readonly url: string;
  readonly username?: string;
  readonly password?: string;
  /**
   * 1: a message whose acknowledgement was lost is sent again and may be stored twice. 2: a persistent session keeps
   * the packet ids, so it is stored once. Default 1.
   */
  readonly qos?: 1 | 2;
  /** Messages that wait for their acknowledgement at a time. Default 500. */
  readonly window?: number;
  /** How long the first connection may take, ms. Default 10 s. */
  readonly connectTimeout?: number;
}

const RECONNECT_PERIOD = 500;

/**
 * Recorded data through the MQTT door. One connection, so the order of `send` is kept; after a lost connection the
 * client first repeats what was not acknowledged, in order, then goes on.
 */
export function createMqttReplayTransport(options: MqttReplayOptions): ReplayTransport {
  const qos = options.qos ?? 1;
  const clientId = `aimx-replay-${randomBytes(6).toString('hex')}`;
  const settings: IClientOptions = {
    clientId,
    clean: qos === 1,
    protocolVersion: 4,
    reconnectPeriod: RECONNECT_PERIOD,
    connectTimeout: options.connectTimeout ?? 10_000,
    resubscribe: false,
    ...(options.username === undefined ? {} : { username: options.username }),
    ...(options.password === undefined ? {} : { password: options.password }),
  };
  /** Ends each message that is under way when the replay is over. */
  const underWay = new Set<(error: Error) => void>();
  let client: MqttClient | undefined;
  let retries = 0;
  let over = false;

  const stop = async (): Promise<void> => {
    if (over) return;
    over = true;
    for (const fail of [...underWay]) fail(stopped());
    await client?.endAsync(underWay.size > 0);
    client = undefined;
  };

  return {
    target: options.url,
    window: options.window ?? 500,
    ordered: true,
    get retries() {
      return retries;
    },
    async open(signal) {
      client = await firstConnection(options.url, settings, signal);
      client.on('close', () => {
        if (!over) retries += 1;
      });
      // A connection that cannot be had is tried again after the period; what it was is of no further use.
      client.on('error', () => undefined);
      signal.addEventListener('abort', () => void stop(), { once: true });
    },
    send(message: ReplayMessage) {
      return new Promise((resolve, reject) => {
        if (over || client === undefined) {
          reject(stopped());
          return;
        }
        const fail = (error: Error) => {
          underWay.delete(fail);
          reject(error);
        };
        underWay.add(fail);
        const topic = `aimx/s/${message.stream}/${message.device}`;
        client.publish(topic, message.payload as Buffer, { qos }, (error) => {
          underWay.delete(fail);
          if (error)
            reject(over ? stopped() : new GatewayError('REPLAY_REFUSED', error.message, { cause: error }));
          else resolve({ kind: 'acknowledged' });
        });
      });
    },
    async close() {
      const connected = client?.connected === true && !over;
      await stop();
      if (connected && qos === 2) await forgetSession(options.url, settings);
    },
  };
}

/** Resolves with the connected client; the first failure is final, so that a wrong address is told at once. */
function firstConnection(url: string, settings: IClientOptions, signal: AbortSignal): Promise<MqttClient> {
  return new Promise((resolve, reject) => {
    const client = connect(url, settings);
    // The client hangs its own listeners on itself, so only these may be taken off.
    const undo = () => {
      signal.removeEventListener('abort', aborted);
      client.off('error', failed).off('close', closed).off('connect', connected);
    };
    const fail = (reason: string, cause?: unknown) => {
      undo();
      client.on('error', () => undefined);
      client.end(true);
      reject(
        new GatewayError('REPLAY_CONNECT', `cannot reach the MQTT door at ${url}: ${reason}`, { cause }),
      );
    };
    const failed = (error: Error) => fail((error as NodeJS.ErrnoException).code ?? error.message, error);
    const closed = () => fail('the connection was closed');
    const aborted = () => fail('stopped');
    const connected = () => {
      undo();
      resolve(client);
    };
    client.on('error', failed).on('close', closed).on('connect', connected);
    signal.addEventListener('abort', aborted, { once: true });
  });
}

/** Takes the persistent session of this replay away from the broker again. */
async function forgetSession(url: string, settings: IClientOptions): Promise<void> {
  const client = await firstConnection(url, { ...settings, clean: true }, new AbortController().signal);
  await client.endAsync();
}

function stopped(): GatewayError {
  return new GatewayError('REPLAY_STOPPED', 'the replay was stopped before its end');
}
