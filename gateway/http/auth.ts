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
  /** Who opened a session; undefined when it is over or never was. */
  session(token: string): (Caller & { readonly expiresAt: number }) | undefined;
  logout(token: string): void;
  /** Whether the peer may read without a token: anonymous access is configured and it is on loopback. */
  openTo(peer: string): boolean;
}

/**
 * The caller of a request, or an error: by a bearer token or by the cookie of a login. Reading is open to loopback when
 * anonymous access is configured; changes need the role admin.
 * @throws GatewayError UNAUTHORIZED, FORBIDDEN, CROSS_SITE
 */
export async function callerOf(
  request: Pick<FastifyRequest, 'headers' | 'method' | 'ip'>,
  access: HttpAccess,
  changes: boolean,
): Promise<Caller> {
  const { headers, ip } = request;
  const token = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1];
  const caller = token === undefined ? visitor(headers, ip, access, changes) : await access.bearer(token, ip);
  if (!caller) throw new GatewayError('UNAUTHORIZED', 'the token is not valid, or no longer');
  if (changes && caller.role !== 'admin') {
    throw new GatewayError('FORBIDDEN', `the role ${caller.role} may only read`);
  }
  if (token === undefined && caller.name !== ANONYMOUS && !SAFE_METHODS.has(request.method))
    requireOwnPage(headers);
  return caller;
}

/** What sends no token: a browser of somebody who has logged in, or anybody on loopback where that is allowed. */
function visitor(headers: IncomingHttpHeaders, ip: string, access: HttpAccess, changes: boolean): Caller {
  const cookie = sessionToken(headers);
  const person = cookie === undefined ? undefined : access.session(cookie);
  if (person) return { name: person.name, role: person.role };
  if (!changes && access.openTo(ip) && namesThisMachine(headers.host))
    return { name: ANONYMOUS, role: 'viewer' };
  throw new GatewayError('UNAUTHORIZED', 'this needs a login or a bearer token');
}

const ANONYMOUS = 'anonymous';
/** Methods that change nothing (RFC 9110 §9.2.1). */
const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD']);

/**
 * Browsers send the cookie along with requests that pages of other sites make, and say whose page it was.
 * @throws GatewayError CROSS_SITE
 */
export function requireOwnPage(headers: IncomingHttpHeaders): void {
  if (ownPage(headers)) return;
  throw new GatewayError('CROSS_SITE', 'this request did not come from a page of this gateway', {
    received: headers.origin ?? 'no Origin',
    expected: `an Origin of ${headers.host ?? 'this host'}`,
  });
}

/** Whether a browser says that a page of this very host made the request. */
export function ownPage({ origin, host }: IncomingHttpHeaders): boolean {
  return (
    origin !== undefined &&
    host !== undefined &&
    URL.canParse(origin) &&
    new URL(origin).host === host.toLowerCase()
  );
}

const COOKIE = 'aimx_session';

/** The token in the cookie; undefined when there is none, or more than one: another site of this domain may add its own. */
export function sessionToken({ cookie }: IncomingHttpHeaders): string | undefined {
  if (cookie === undefined) return undefined;
  const found = cookie
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${COOKIE}=`));
  return found.length === 1 ? found[0]!.slice(COOKIE.length + 1) : undefined;
}

const ATTRIBUTES = 'Path=/; HttpOnly; SameSite=Strict';

/** Value of Set-Cookie. @param expiresAt milliseconds since the epoch */
export function sessionCookie(token: string, expiresAt: number, secure: boolean): string {
  return `${COOKIE}=${token}; Expires=${new Date(expiresAt).toUTCString()}; ${attributes(secure)}`;
}

export const clearedCookie = (secure: boolean): string => `${COOKIE}=; Max-Age=0; ${attributes(secure)}`;

const attributes = (secure: boolean): string => (secure ? `${ATTRIBUTES}; Secure` : ATTRIBUTES);

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
