import type { Channel } from './channel.ts';
import type { StorageModule, User } from './node-red.ts';

/** What the flows are kept by when nobody has logged in, as at the first start. */
const NOBODY = 'node-red';

/**
 * Flows, their credentials and the settings of the editor are kept by the supervisor, out of reach of what runs in flows.
 * The library of functions and exported flows stays in files of the host.
 */
export function createStorage(channel: Channel, files: StorageModule): StorageModule {
  return {
    ...files,
    init: (settings, runtime) => files.init(settings, runtime),
    getFlows: async () => parsed(await channel.load('flows'), []),
    saveFlows: (flows, user?: User) =>
      channel.keep('flows', JSON.stringify(flows, null, 1), user?.username ?? NOBODY),
    getCredentials: async () => parsed(await channel.load('credentials'), {}),
    saveCredentials: (credentials) => channel.keep('credentials', JSON.stringify(credentials), NOBODY),
    getSettings: async () => parsed(await channel.load('settings'), {}),
    saveSettings: (settings) => channel.keep('settings', JSON.stringify(settings), NOBODY),
  };
}

const parsed = (text: string, empty: unknown): unknown => (text === '' ? empty : JSON.parse(text));
