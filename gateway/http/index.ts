export { type Feed, feedRoutes } from './api/feed.ts';
export { createHttpServer, type HttpServer, type UpgradeHandler } from './server.ts';
export type * from './views.ts';
