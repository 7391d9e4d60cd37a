export type { HttpAccess } from './auth.ts';
export type { DeviceAdmin } from './routes.ts';
export {
  createHttpServer,
  type HttpServer,
  type HttpServerParts,
  type ServerAccess,
  type UpgradeHandler,
} from './server.ts';
export type * from './views.ts';
