import type { Channel } from './channel.ts';
import type { StorageModule, User } from './node-red.ts';
import type { Start } from './protocol.ts';

export const EDITOR_ROOT = '/flows';
/** Below it flows answer requests of their own. */
export const ENDPOINT_ROOT = '/flows/http';
/** Names the caller: set by the gateway, which alone knows the secret in it. */
export const CALLER_HEADER = 'x-aimx-flows';

const OWN_PALETTE = '@aimx/node-red-gateway';
const FLOWS_LIMIT = '16mb';

/** Settings of Node-RED. @param callerOf the user behind the header of the gateway, null when it is not the gateway's */
export function nodeRedSettings(
  start: Start,
  channel: Channel,
  storageModule: StorageModule,
  callerOf: (header: string) => User | null,
): object {
  const { installable, functionModules, palette } = start;
  return {
    httpAdminRoot: EDITOR_ROOT,
    httpNodeRoot: ENDPOINT_ROOT,
    userDir: start.userDir,
    storageModule,
    ...(palette === null ? {} : { nodesDir: [palette] }),
    credentialSecret: start.credentialKey,
    adminAuth: {
      tokens: async (header: string) => callerOf(header),
      tokenHeader: CALLER_HEADER,
    },
    // The palette's configuration node reaches this gateway without anybody typing a secret.
    aimxGateway: Object.freeze({ ...start.own }),
    safeMode: start.safeMode,
    apiMaxLength: FLOWS_LIMIT,
    functionTimeout: start.functionSeconds,
    globalFunctionTimeout: start.functionSeconds,
    functionExternalModules: functionModules.length > 0,
    externalModules: {
      autoInstall: false,
      palette: {
        allowInstall: installable.length > 0,
        allowUpdate: installable.length > 0,
        allowUpload: false,
        // Also what is loaded must be on it.
        allowList: [OWN_PALETTE, ...installable],
        allowUpdateList: installable,
      },
      modules: { allowInstall: functionModules.length > 0, allowList: functionModules },
    },
    contextStorage: { default: { module: 'memory' }, file: { module: 'localfilesystem' } },
    exportGlobalContextKeys: false,
    telemetry: { enabled: false, updateNotification: false },
    diagnostics: { enabled: true, ui: true },
    runtimeState: { enabled: true, ui: true },
    editorTheme: {
      page: { title: `${start.title} · flows` },
      header: { title: start.title },
      palette: { catalogues: installable.length > 0 ? ['https://catalogue.nodered.org/catalogue.json'] : [] },
      projects: { enabled: false },
      tours: false,
      logout: { redirect: '/' },
      multiplayer: { enabled: false },
    },
    logging: {
      console: { level: 'off', metrics: false, audit: false },
      gateway: { level: 'info', metrics: false, audit: false, handler: () => logHandler(channel) },
    },
  };
}

/** Levels of Node-RED: 10 fatal, 20 error, 30 warn, 40 info. */
const logHandler =
  (channel: Channel) =>
  (entry: { level: number; msg?: unknown; type?: string; name?: string; id?: string }): void => {
    const level = entry.level <= 20 ? 'error' : entry.level <= 30 ? 'warn' : 'info';
    const said = typeof entry.msg === 'string' ? entry.msg : wordsOf(entry.msg);
    const node = entry.type === undefined ? '' : `[${entry.type}:${entry.name || entry.id}] `;
    channel.log(level, node + said.trim());
  };

/** Errors of function nodes are of another realm, where `instanceof` does not know them. */
function wordsOf(value: unknown): string {
  const { message } = (value ?? {}) as { message?: unknown };
  return typeof message === 'string' ? message : (JSON.stringify(value) ?? String(value));
}
