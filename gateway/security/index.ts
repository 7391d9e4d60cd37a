export { type Access, type AccessParts, type ApiCaller, createAccess, LOCAL_USER } from './access.ts';
export { Identities } from './identities.ts';
export { type LocalApi, publishLocalApi, readLocalApi, withdrawLocalApi } from './local-api.ts';
