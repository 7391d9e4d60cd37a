import { readFileSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import type { Duplex } from 'node:stream';
import { createWebSocketStream, WebSocket } from 'ws';
import { GatewayError } from '../../gateway/errors.ts';

const DEFAULT_PORTS: Readonly<Record<string, number>> = { 'mqtt:': 1883, 'mqtts:': 8883 };

export interface BrokerAddress {
  readonly url: URL;
  /** PEM of the CA that signed the broker's certificate; undefined: the system's. */
  readonly ca: Buffer | undefined;
}

/**
 * Parses a broker's address.
 * @throws GatewayError CONFIG_INVALID, TLS_FILES
 */
export function brokerAddress(text: string, caFile: string | undefined): BrokerAddress {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || !['mqtt:', 'mqtts:', 'ws:', 'wss:'].includes(url.protocol))
    throw new GatewayError('CONFIG_INVALID', 'not the address of an MQTT broker', {
      received: text,
      expected: 'mqtt://, mqtts://, ws:// or wss:// with a host',
    });
  if (url.username || url.password)
    throw new GatewayError('CONFIG_INVALID', 'a password does not belong into an address', {
      expected: 'broker.username and broker.passwordFile',
    });
  try {
    return { url, ca: caFile === undefined ? undefined : readFileSync(caFile) };
  } catch (cause) {
    throw new GatewayError('TLS_FILES', `cannot read ${caFile}`, { received: caFile, cause });
  }
}

/** Opens a connection to the broker; its failure shows as the stream's `error`. */
export function openBrokerStream({ url, ca }: BrokerAddress): Duplex {
  // An IPv6 address stands in brackets in a URL, but not where a host is wanted.
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (url.protocol === 'ws:' || url.protocol === 'wss:') {
    const socket = new WebSocket(url, ['mqtt'], ca ? { ca } : {});
    return createWebSocketStream(socket);
  }
  const port = url.port === '' ? DEFAULT_PORTS[url.protocol]! : Number(url.port);
  if (url.protocol === 'mqtt:') return connectTcp({ host, port, noDelay: true });
  // Imported, the module would unpack the certificates of all authorities at once: 5 MiB.
  return process
    .getBuiltinModule('node:tls')
    .connect({ host, port, servername: host, ...(ca ? { ca } : {}) });
}
