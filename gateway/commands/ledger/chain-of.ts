import type { Config } from '../../config/schema.ts';
import { GatewayError } from '../../errors.ts';
import type { ChainAnswer } from '../../ports/chain.ts';

export type ChainSettings = NonNullable<NonNullable<Config['billing']>['chain']>;

/** The chain of the configuration. Throws USAGE when there is none. */
export function chainOf(config: Config): ChainSettings {
  const chain = config.billing?.chain;
  if (chain) return chain;
  throw new GatewayError('USAGE', 'the configuration names no chain', {
    expected: 'billing.chain with rpcUrl, chainId, keystore and passphraseFile',
  });
}

/** What a node answered. Throws CHAIN_NODE, or CHAIN_REFUSED when the contract does not want what it was sent. */
export function answered<T>(answer: ChainAnswer<T>): T {
  if (answer.ok) return answer.value;
  throw new GatewayError(
    answer.code === 'refused' || answer.code === 'nonce' ? 'CHAIN_REFUSED' : 'CHAIN_NODE',
    answer.reason,
  );
}
