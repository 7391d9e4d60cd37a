import { z } from 'zod';
import { GatewayError } from '../errors.ts';
import type { ApiRoute } from './api/route.ts';
import { clearedCookie, type HttpAccess, sessionCookie, sessionToken } from './auth.ts';

const credentials = z.strictObject({
  name: z.string().max(128),
  password: z.string().max(1024),
});

const whoView = z.object({
  name: z.string(),
  role: z.enum(['admin', 'viewer']).describe('`viewer` reads, `admin` changes too'),
});

/** `/api/v1/session`: how people log in with a browser. The token travels in a cookie that no script can read. */
export function sessionRoutes(access: HttpAccess): ApiRoute[] {
  return [
    {
      method: 'POST',
      path: '/api/v1/session',
      summary: 'Log in with a cookie, for twelve hours',
      needs: 'open',
      body: credentials,
      answer: z.void(),
      status: 204,
      async run({ body, peer, headers, secure, setCookie }) {
        const { name, password } = body as z.output<typeof credentials>;
        const { token, expiresAt } = await loggedIn(access, name, password, peer);
        // Never goes on with a session that was there before: somebody else may know its token.
        const before = sessionToken(headers);
        if (before !== undefined) access.logout(before);
        setCookie(sessionCookie(token, expiresAt, secure));
      },
    },
    {
      method: 'GET',
      path: '/api/v1/session',
      summary: 'Who is logged in',
      needs: 'read',
      answer: whoView,
      run: ({ caller }) => caller,
    },
    {
      method: 'DELETE',
      path: '/api/v1/session',
      summary: 'Log out',
      needs: 'open',
      answer: z.void(),
      status: 204,
      run({ headers, secure, setCookie }) {
        const token = sessionToken(headers);
        if (token !== undefined) access.logout(token);
        setCookie(clearedCookie(secure));
      },
    },
    {
      method: 'POST',
      path: '/api/v1/login',
      summary: 'Open a session of twelve hours for a program; its token is a bearer token',
      needs: 'open',
      body: credentials,
      answer: z.object({ token: z.string(), expiresAt: z.number() }),
      async run({ body, peer }) {
        const { name, password } = body as z.output<typeof credentials>;
        return await loggedIn(access, name, password, peer);
      },
    },
  ];
}

/** @throws GatewayError THROTTLED, UNAUTHORIZED */
async function loggedIn(
  access: HttpAccess,
  name: string,
  password: string,
  peer: string,
): Promise<{ token: string; expiresAt: number }> {
  const session = await access.login(name, password, peer);
  if (session === 'throttled') throw new GatewayError('THROTTLED', 'too many failed logins');
  if (session !== null) return session;
  throw new GatewayError('UNAUTHORIZED', 'name or password are wrong', { fix: 'Mend them and try again.' });
}
