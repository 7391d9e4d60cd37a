export { type Access, createAccess } from './access.ts';
export { publishLocalApi, readLocalApi, withdrawLocalApi } from './local-api.ts';
