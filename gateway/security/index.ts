export { type Access, createAccess, FLOWS_USER } from './access.ts';
export { publishLocalApi, readLocalApi, withdrawLocalApi } from './local-api.ts';
