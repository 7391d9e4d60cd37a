import { asGatewayError, GatewayError } from '../../gateway/errors.ts';
import type { Clock } from '../../gateway/ports/clock.ts';
import type { Log } from '../../gateway/ports/log.ts';
import type { ReplayAnswer, ReplayMessage, ReplayTransport } from '../../gateway/ports/replay-transport.ts';
import { type ClientResponse, CoapClient } from './client.ts';
import { Code, codeName } from './protocol.ts';

export interface CoapReplayOptions {
  readonly host: string;
  readonly port: number;
  readonly clock: Clock;
  readonly log: Log;
  /** Devices whose rows travel at a time. Default 32. */
  readonly window?: number;
}

/** Pause before a message that got no answer is begun anew, ms; the retransmissions took 45 s or more before. */
const RETRY_PAUSE = 1_000;

/** Recorded data through the CoAP door: confirmable POSTs, one under way per device. */
export function createCoapReplayTransport(options: CoapReplayOptions): ReplayTransport {
  const window = options.window ?? 32;
  const client = new CoapClient({ ...options, window, log: options.log.child('replay') });
  let signal = new AbortController().signal;
  let closed = false;
  let retries = 0;

  const over = () => closed || signal.aborted;
  const stopped = () => new GatewayError('REPLAY_STOPPED', 'the replay was stopped before its end');

  const pause = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      const end = () => {
        cancel();
        signal.removeEventListener('abort', end);
        resolve();
      };
      const cancel = options.clock.after(ms, end);
      signal.addEventListener('abort', end, { once: true });
    });

  const answerOf = (response: ClientResponse): ReplayAnswer | { wait: number } => {
    const said = response.payload.toString();
    if (response.code === Code.CHANGED) return { kind: 'acknowledged' };
    if (response.code === Code.BAD_REQUEST) return { kind: 'rejected', reason: said };
    if (response.code >> 5 === 5) return { wait: (response.options.maxAge ?? 1) * 1000 };
    throw new GatewayError('REPLAY_REFUSED', `the door answers ${codeName(response.code)}: ${said}`);
  };

  return {
    target: `coap://${options.host.includes(':') ? `[${options.host}]` : options.host}:${options.port}`,
    window,
    ordered: false,
    get retries() {
      return retries;
    },
    async open(given) {
      signal = given;
      try {
        await client.open(given);
        await client.ping();
      } catch (error) {
        await client.close();
        const { message } = asGatewayError(error);
        throw new GatewayError('REPLAY_CONNECT', `cannot reach the CoAP door: ${message}`, { cause: error });
      }
      given.addEventListener('abort', () => void client.close(), { once: true });
    },
    async send(message: ReplayMessage) {
      for (;;) {
        if (over()) throw stopped();
        try {
          const response = await client.request({
            method: 'POST',
            path: ['s', message.stream, message.device],
            payload: message.payload,
            contentFormat: message.contentFormat,
          });
          const answer = answerOf(response);
          if ('kind' in answer) return answer;
          retries += 1;
          await pause(answer.wait);
        } catch (error) {
          if (over()) throw stopped();
          const { code } = asGatewayError(error);
          if (code !== 'COAP_TIMEOUT' && code !== 'COAP_RESET') throw error;
          retries += 1;
          await pause(RETRY_PAUSE);
        }
      }
    },
    async close() {
      closed = true;
      await client.close();
    },
  };
}
