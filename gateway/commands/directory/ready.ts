import type { NearGateway } from '../../directory/nearest.ts';
import { GatewayError } from '../../errors.ts';

const ANSWER_WITHIN_MS = 3_000;

/**
 * Asks a listed gateway whether it is ready (Open Inference Protocol, `/v2/health/ready`), with the model where one is
 * wanted. Rejects when it does not answer, or with anything but 200.
 */
export async function askReady({ listing }: NearGateway, model: string | undefined): Promise<void> {
  const [name, version] = model?.split('@') ?? [];
  const of = name
    ? `models/${encodeURIComponent(name)}${version ? `/versions/${version}` : ''}/ready`
    : 'health/ready';
  const url = new URL(`v2/${of}`, listing.endpoint.endsWith('/') ? listing.endpoint : `${listing.endpoint}/`);
  // An entry is what a stranger wrote: only the web is asked.
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw notReady(`${url.protocol} is not asked`);
  const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_WITHIN_MS), redirect: 'error' });
  await response.body?.cancel();
  if (response.status !== 200) throw notReady(`HTTP ${response.status}`);
}

const notReady = (reason: string): GatewayError => new GatewayError('GATEWAY_NOT_READY', reason);
