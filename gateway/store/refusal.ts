import { GatewayError } from '../errors.ts';
import type { Stream } from './stream.ts';

/** Doors stop reading above this; appends are refused at four times it. */
export const HIGH_WATER_BYTES = 8 * 1024 * 1024;
const MOST_OUTSTANDING_BYTES = 4 * HIGH_WATER_BYTES;

export type StoreState = 'new' | 'starting' | 'running' | 'stopping' | 'stopped';

export function stopping(): GatewayError {
  return new GatewayError('STOPPING', 'store: the gateway is stopping');
}

/** Why a store in this state takes nothing; undefined while it runs. */
export function notRunning(state: StoreState): GatewayError | undefined {
  if (state === 'running') return undefined;
  if (state === 'stopping') return stopping();
  return new GatewayError('STORE_CLOSED', 'store: it is not running');
}

/** Why nothing can be appended to a stream at present; undefined when it can. */
export function refusalOf(
  state: StoreState,
  stream: Stream<unknown>,
  diskFull: boolean,
  outstandingBytes: number,
): GatewayError | undefined {
  if (state !== 'running') return notRunning(state);
  const { maxBytes, whenFull } = stream.options;
  if (stream.full) {
    return new GatewayError('STORE_FULL', `store: ${stream.name} holds all it may and is still needed`, {
      expected: `at most ${maxBytes} bytes`,
    });
  }
  if (diskFull && whenFull === 'reject-new') {
    return new GatewayError('STORE_FULL', `store: the disk is full, and ${stream.name} gives nothing up`);
  }
  if (outstandingBytes > MOST_OUTSTANDING_BYTES) {
    return new GatewayError('STORE_BUSY', 'store: too much is waiting for the disk', {
      received: outstandingBytes,
    });
  }
  return undefined;
}
