import { isIP } from 'node:net';
import type { Finding, Path } from '../issues.ts';
import type { Draft } from './draft.ts';

/** Nothing is open that should not be; ports do not collide; addresses have a scheme we speak. */
export function networkRules(draft: Draft): Finding[] {
  return [...openness(draft), ...ports(draft), ...addresses(draft), ...guarantees(draft)];
}

/** Whether only this machine can reach an address of this name. */
export function isLoopback(host: string): boolean {
  if (host === 'localhost' || host === '::1') return true;
  if (host.startsWith('::ffff:')) return isLoopback(host.slice(7));
  return isIP(host) === 4 && host.startsWith('127.');
}

function openness(draft: Draft): Finding[] {
  const host = draft.at(['listen', 'host']);
  if (typeof host !== 'string' || !draft.anonymous || isLoopback(host)) return [];
  return [
    {
      path: ['auth', 'anonymous'],
      message: `anyone who reaches ${host} could come in`,
      expected: 'false, because listen.host is not a loopback address',
      fix: 'set auth.anonymous: false and add devices with `aimx-gateway devices add`, or listen on 127.0.0.1',
    },
  ];
}

function ports(draft: Draft): Finding[] {
  const listen = draft.listen;
  if (!listen) return [];
  const groups: readonly (readonly ('mqtt' | 'mqtts' | 'http' | 'coap' | 'coaps')[])[] = [
    ['mqtt', 'mqtts', 'http'],
    ['coap', 'coaps'],
  ];
  return groups.flatMap((group) => {
    const seen = new Map<number, string>();
    return group.flatMap((name): Finding[] => {
      const port = listen[name]?.port;
      if (port === undefined || port === 0) return [];
      const first = seen.get(port);
      seen.set(port, first ?? name);
      if (first === undefined) return [];
      const path: Path = ['listen', name, 'port'];
      return [
        {
          path: draft.at(path) === undefined ? ['listen', first, 'port'] : path,
          message: `listen.${first} and listen.${name} share port ${port}`,
          received: port,
          expected: 'a port of its own',
          fix: 'choose another port, or 0 for a free one',
        },
      ];
    });
  });
}

const SCHEMES = {
  mqtt: ['mqtt:', 'mqtts:', 'ws:', 'wss:'],
  http: ['http:', 'https:'],
  rpc: ['http:', 'https:', 'ws:', 'wss:'],
} as const;

function addresses(draft: Draft): Finding[] {
  return [
    ...address(draft, ['broker', 'url'], SCHEMES.mqtt, 'username and passwordFile'),
    ...draft.upstream.flatMap((u) => [
      ...address(draft, [...u.path, 'mqtt', 'url'], SCHEMES.mqtt, 'username and passwordFile'),
      ...address(draft, [...u.path, 'http', 'url'], SCHEMES.http, 'bearerFile'),
    ]),
    ...nodes(draft, ['billing', 'chain', 'rpcUrl']),
  ];
}

/** Nodes of a chain: one, or several separated by commas. */
function nodes(draft: Draft, path: Path): Finding[] {
  const text = draft.at(path);
  if (typeof text !== 'string') return [];
  return text.split(',').flatMap((one) => check(one.trim(), path, SCHEMES.rpc, undefined));
}

function address(
  draft: Draft,
  path: Path,
  schemes: readonly string[],
  credentials: string | undefined,
): Finding[] {
  const text = draft.at(path);
  return typeof text === 'string' ? check(text, path, schemes, credentials) : [];
}

function check(
  text: string,
  path: Path,
  schemes: readonly string[],
  credentials: string | undefined,
): Finding[] {
  const expected = `an address that begins with ${schemes.map((scheme) => `${scheme}//`).join(', ')}`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !schemes.includes(url.protocol) || url.hostname === '') {
    return [
      {
        path,
        message: 'not an address we can use',
        expected,
        fix: `write for example ${schemes[0]}//host:port`,
      },
    ];
  }
  if ((url.username === '' && url.password === '') || credentials === undefined) return [];
  return [
    {
      path,
      message: 'credentials in an address end up in logs',
      expected: 'an address without user and password',
      fix: `remove them and use ${credentials}`,
    },
  ];
}

/** Settings that weaken a promise are allowed, but said. */
function guarantees(draft: Draft): Finding[] {
  return draft.upstream.flatMap((upstream): Finding[] => {
    if (upstream.config?.mqtt?.qos !== 0) return [];
    return [
      {
        severity: 'warning',
        path: [...upstream.path, 'mqtt', 'qos'],
        message: 'with QoS 0 nobody acknowledges a record, so an outage can lose some',
        expected: '1 or 2',
        fix: 'set qos: 1',
      },
    ];
  });
}
