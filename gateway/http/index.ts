export { createHttpServer, type HttpServer, type UpgradeHandler } from './server.ts';
export type * from './views.ts';
