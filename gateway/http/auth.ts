import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import type { FastifyRequest } from 'fastify';
import { GatewayError } from '../errors.ts';

export interface Caller {
  readonly name: string;
  readonly role: 'admin' | 'viewer';
}

/** What this server needs to know about who may come in; `gateway/security` provides it. */
export interface HttpAccess {
  bearer(token: string, peer: string): Promise<Caller | null>;
  login(
    name: string,
    password: string,
    peer: string,
  ): Promise<{ token: string; expiresAt: number } | null | 'throttled'>;
  /** Whether the peer may read without a token: anonymous access is configured and it is on loopback. */
  openTo(peer: string): boolean;
}

/**
 * The caller of a request, or an error. Reading is open to loopback when anonymous access is configured; everything
 * else needs a bearer token, and changes the role admin.
 * @throws GatewayError UNAUTHORIZED, FORBIDDEN
 */
export async function callerOf(
  request: FastifyRequest,
  access: HttpAccess,
  changes: boolean,
): Promise<Caller> {
  const token = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
  if (token === undefined) {
    if (!changes && access.openTo(request.ip) && namesThisMachine(request.headers.host)) {
      return { name: 'anonymous', role: 'viewer' };
    }
    throw new GatewayError('UNAUTHORIZED', 'this needs a bearer token');
  }
  const caller = await access.bearer(token, request.ip);
  if (!caller) throw new GatewayError('UNAUTHORIZED', 'the token is not valid, or no longer');
  if (changes && caller.role !== 'admin') {
    throw new GatewayError('FORBIDDEN', `the role ${caller.role} may only read`);
  }
  return caller;
}

/**
 * Whether a Host header can only mean this machine. A page from elsewhere could make its own name resolve to
 * 127.0.0.1 (DNS rebinding) and read as the anonymous; its name is then neither an address nor one of ours.
 */
export function namesThisMachine(host: string | undefined): boolean {
  if (host === undefined) return false;
  const name = (/^\[([^\]]+)\](?::\d+)?$/.exec(host)?.[1] ?? host.replace(/:\d+$/, '')).toLowerCase();
  return (
    isIP(name) !== 0 || name === 'localhost' || name.endsWith('.local') || name === hostname().toLowerCase()
  );
}

/** Whether a page of another site made this request; programs send no Origin. */
export function foreignOrigin({ origin, host }: IncomingHttpHeaders): boolean {
  if (origin === undefined) return false;
  return !URL.canParse(origin) || new URL(origin).host !== host || !namesThisMachine(host);
}
