import { dirname, resolve } from 'node:path';
import type { Config } from './schema.ts';

/** A copy of the configuration in which every file and folder is absolute; relative ones start at the file's folder. */
export function resolvePaths(config: Config, file: string): Config {
  const folder = dirname(resolve(file));
  const absolute = (path: string): string => resolve(folder, path);
  const resolved = structuredClone(config);
  resolved.gateway.dataDir = absolute(config.gateway.dataDir);
  resolved.models.dir = absolute(config.models.dir ?? resolve(resolved.gateway.dataDir, 'models'));
  resolved.models.trustedKeys = config.models.trustedKeys.map(absolute);
  for (const server of resolved.models.servers) {
    if (server.tokenFile !== undefined) server.tokenFile = absolute(server.tokenFile);
    if (server.ca !== undefined) server.ca = absolute(server.ca);
  }
  const tls = resolved.listen.mqtts;
  if (tls) {
    tls.cert = absolute(tls.cert);
    tls.key = absolute(tls.key);
    if (tls.ca !== undefined) tls.ca = absolute(tls.ca);
  }
  if (resolved.broker?.passwordFile !== undefined) {
    resolved.broker.passwordFile = absolute(resolved.broker.passwordFile);
  }
  for (const { mqtt, http, file: ndjson } of resolved.upstream) {
    if (mqtt?.passwordFile !== undefined) mqtt.passwordFile = absolute(mqtt.passwordFile);
    if (http?.bearerFile !== undefined) http.bearerFile = absolute(http.bearerFile);
    if (ndjson) ndjson.path = absolute(ndjson.path);
  }
  const { billing } = resolved;
  if (billing?.tariff !== undefined) billing.tariff = absolute(billing.tariff);
  if (billing?.rate !== undefined) billing.rate = absolute(billing.rate);
  if (billing?.chain) {
    billing.chain.keystore = absolute(billing.chain.keystore);
    billing.chain.passphraseFile = absolute(billing.chain.passphraseFile);
  }
  return resolved;
}
