import type { OwnGateway } from '../../flows/host/protocol.ts';
import type { Config } from '../config/schema.ts';
import { FLOWS_USER } from '../security/index.ts';

/**
 * How the flows of this gateway reach it: on this machine, with the token of this run. With a broker elsewhere its address
 * stands alone; whoever draws flows gives their own name there.
 * @param mqtt addresses of the broker @param http addresses of the HTTP interface
 */
export function ownGateway(
  config: Pick<Config, 'broker'>,
  mqtt: readonly string[],
  http: readonly string[],
  token: string,
): OwnGateway {
  const plain = mqtt.find((address) => address.startsWith('mqtt:')) ?? mqtt[0] ?? '';
  return {
    mqtt: reachable(plain),
    http: reachable(http[0] ?? ''),
    ...(config.broker ? { user: '', password: '' } : { user: FLOWS_USER, password: token }),
    token,
  };
}

/** An address that stands for all of this machine cannot be called. */
const reachable = (address: string): string =>
  address.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:');
