export { channelRoutes } from './api/channels.ts';
export type { LiveChannel, LiveSource } from './api/events/topics.ts';
export { type Feed, feedRoutes } from './api/feed.ts';
export { type SettingsAdmin, settingsRoutes } from './api/settings.ts';
export { type SetupAdmin, setupIsDone } from './api/setup.ts';
export { sessionToken } from './auth.ts';
export { createHttpServer, type HttpServer, type UpgradeHandler } from './server.ts';
export { createSetupServer } from './setup-server.ts';
export type * from './views.ts';
