import type { AccessControl, Credentials, Principal } from '../../gateway/ports/access.ts';

export interface ScriptedAccess extends AccessControl {
  login: (credentials: Credentials) => Principal | null;
  publish: (principal: Principal, topic: string) => boolean;
  subscribe: (principal: Principal, filter: string) => boolean;
}

/** Access rules that a test writes itself; by default anonymous and everything allowed. */
export function scriptedAccess(): ScriptedAccess {
  const access: ScriptedAccess = {
    login: () => ({ name: 'anonymous', anonymous: true }),
    publish: () => true,
    subscribe: () => true,
    authenticate: async (credentials) => access.login(credentials),
    mayPublish: (principal, topic) => access.publish(principal, topic),
    maySubscribe: (principal, filter) => access.subscribe(principal, filter),
  };
  return access;
}
