import {
  Agent,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type ServerResponse,
} from 'node:http';
import type { Duplex } from 'node:stream';

/** Who asks, as the gateway knows them. */
export interface FlowsCaller {
  readonly name: string;
  readonly role: 'admin' | 'viewer';
}

/** Where the host listens, and what it believes. */
export interface HostDoor {
  readonly socket: string;
  readonly secret: string;
}

/** For one connection only (RFC 9110 §7.6.1). */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
/** The gateway's own; flows must see none and set none. */
const OWN_COOKIE = /^\s*aimx_session=/;
const CALLER = 'x-aimx-flows';
const MAX_SOCKETS = 64;
const ANSWER_LIMIT_MS = 120_000;

/** Loads the editor and what flows answer; nothing from elsewhere, so that no page of it asks anybody else. */
const POLICY =
  "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; frame-ancestors 'self'; form-action 'self'; base-uri 'self'";
/** Where modules may be installed, the palette manager reads what there is. */
const WITH_CATALOGUE = `${POLICY}; connect-src 'self' https://catalogue.nodered.org`;

/** Hands requests to the flows host over its Unix socket. Logins and tokens of the gateway stay here. */
export class FlowsProxy {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: MAX_SOCKETS });
  readonly #policy: string;

  /** @param installs whether the editor may install modules */
  constructor(installs: boolean) {
    this.#policy = installs ? WITH_CATALOGUE : POLICY;
  }

  forward(door: HostDoor, caller: FlowsCaller, from: IncomingMessage, to: ServerResponse): void {
    const headers = outgoing(from.headers, door, caller);
    const passed = request({
      socketPath: door.socket,
      agent: this.#agent,
      method: from.method,
      path: from.url,
      headers,
      timeout: ANSWER_LIMIT_MS,
    });
    passed.on('response', (answer) => {
      to.writeHead(answer.statusCode ?? 502, incoming(answer.headers, this.#policy));
      answer.pipe(to);
      // The host has ended in the middle of its answer.
      answer.on('error', () => to.destroy());
    });
    passed.on('timeout', () => passed.destroy(new Error('no answer in time')));
    passed.on('error', () => {
      if (to.headersSent) to.destroy();
      else to.writeHead(502, { 'content-type': 'text/plain' }).end('The flows did not answer.\n');
    });
    to.on('close', () => passed.destroy());
    from.pipe(passed);
  }

  /** Joins a WebSocket to the host. Answers the host's end, to be destroyed when the caller may no longer come in. */
  upgrade(door: HostDoor, caller: FlowsCaller, from: IncomingMessage, socket: Duplex, head: Buffer): void {
    const headers = outgoing(from.headers, door, caller);
    const passed = request({
      socketPath: door.socket,
      method: 'GET',
      path: from.url,
      headers: { ...headers, connection: 'Upgrade', upgrade: 'websocket' },
    });
    passed.on('upgrade', (answer, inner: Duplex, first: Buffer) => {
      const lines = Object.entries(answer.headers).map(([name, value]) => `${name}: ${String(value)}`);
      socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('\r\n')}\r\n\r\n`);
      if (first.length > 0) socket.write(first);
      if (head.length > 0) inner.write(head);
      inner.on('error', () => socket.destroy());
      socket.on('error', () => inner.destroy());
      inner.on('close', () => socket.destroy());
      socket.on('close', () => inner.destroy());
      inner.pipe(socket);
      socket.pipe(inner);
    });
    passed.on('response', () => socket.destroy());
    passed.on('error', () => socket.destroy());
    socket.on('close', () => passed.destroy());
    passed.end();
  }

  close(): void {
    this.#agent.destroy();
  }
}

function outgoing(headers: IncomingHttpHeaders, door: HostDoor, caller: FlowsCaller): IncomingHttpHeaders {
  const sent: IncomingHttpHeaders = {};
  for (const [name, value] of Object.entries(headers)) {
    if (!HOP_BY_HOP.has(name) && name !== CALLER && name !== 'authorization') sent[name] = value;
  }
  const cookies = headers.cookie?.split(';').filter((cookie) => !OWN_COOKIE.test(cookie));
  if (cookies !== undefined && cookies.length > 0) sent.cookie = cookies.join(';').trim();
  else delete sent.cookie;
  sent[CALLER] = `${door.secret} ${caller.role} ${encodeURIComponent(caller.name)}`;
  return sent;
}

function incoming(headers: IncomingHttpHeaders, policy: string): Record<string, string | string[]> {
  const sent: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined && !HOP_BY_HOP.has(name)) sent[name] = value;
  }
  const cookies = headers['set-cookie']?.filter((cookie) => !OWN_COOKIE.test(cookie));
  if (cookies !== undefined) sent['set-cookie'] = cookies;
  return {
    ...sent,
    'content-security-policy': policy,
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
  };
}
