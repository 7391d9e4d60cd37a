import type { BillingConfig } from '../../config/schema.ts';
import type { Alarms } from '../../ports/alarms.ts';
import type { Chain, Signer } from '../../ports/chain.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import type { BookKey } from '../book-rows.ts';
import { parseAimx } from '../formats/amount.ts';
import { Anchor } from './anchor.ts';
import type { FeeRules, PayoutRules } from './payout-rules.ts';
import { Payouts } from './payouts.ts';
import { type BillingStore, Poster } from './poster.ts';
import type { PosterRules } from './poster-rules.ts';

export interface OpenPosterParts {
  readonly config: BillingConfig | undefined;
  readonly chain: Chain;
  readonly signer: Signer;
  readonly book: BookKey;
  readonly store: BillingStore;
  readonly clock: Clock;
}

const GWEI = 1_000_000_000;
/** Chain id of Anvil, Hardhat and the bundled dev chain: posting costs nothing. */
const DEV_CHAIN = 31337;
const DEV_IDLE_MS = 30_000;
const DAY_MS = 86_400_000;
const DEFAULTS = { maxReceipts: 10_000, maxAgeMs: DAY_MS, replaceAfterMs: 90_000, maxFeeGwei: 200 };

/** The poster of one device key, which also collects what customers of its channels owe. */
export function openPoster({ config, ...parts }: OpenPosterParts): Poster {
  const { chain } = parts;
  const idleMs = config?.batch.idle ?? (chain.chainId === DEV_CHAIN ? DEV_IDLE_MS : undefined);
  const rules: PosterRules = {
    maxReceipts: config?.batch.maxReceipts ?? DEFAULTS.maxReceipts,
    maxAgeMs: config?.batch.maxAge ?? DEFAULTS.maxAgeMs,
    idleMs,
    replaceAfterMs: config?.chain?.replaceAfter ?? DEFAULTS.replaceAfterMs,
    maxFee: BigInt(Math.round((config?.chain?.maxFeeGwei ?? DEFAULTS.maxFeeGwei) * GWEI)),
    ...(config ? { fees: feeRules(config) } : {}),
  };
  if (!config || config.provider === undefined || !chain.channels) return new Poster({ ...parts, rules });
  const payoutRules: PayoutRules = {
    ...{ fees: feeRules(config), maxAgeMs: rules.maxAgeMs, idleMs },
    ...{ claimAfterMs: config.exposure.claimAfter, expiryMs: config.exposure.expiry },
  };
  const payouts = new Payouts({
    ...{ ...parts, ledger: chain.channels, rules: payoutRules },
    ...{ maxFee: rules.maxFee, replaceAfterMs: rules.replaceAfterMs },
  });
  return new Poster({ ...parts, rules, payouts });
}

/** One for each chain of `config.anchors`, started. */
export function openAnchors(
  parts: Omit<OpenPosterParts, 'chain' | 'book'> & {
    readonly home: BookKey;
    readonly chains: readonly Chain[];
    readonly log: Log;
    readonly alarms: Alarms;
  },
): Anchor[] {
  const { config, chains, signer } = parts;
  return (config?.anchors ?? []).flatMap(({ every, maxFeeGwei }, index) => {
    const chain = chains[index];
    if (!chain) return [];
    const anchor = new Anchor({
      ...{ ...parts, chain, everyMs: every, maxFee: BigInt(Math.round(maxFeeGwei * GWEI)) },
      book: { chainId: chain.chainId, address: chain.ledger, device: signer.address },
      replaceAfterMs: config?.chain?.replaceAfter ?? DEFAULTS.replaceAfterMs,
    });
    anchor.start();
    return [anchor];
  });
}

/** The schema has let only amounts through. */
const feeRules = ({ fees }: BillingConfig): FeeRules => ({
  coinPrice: fees.coinPrice === undefined ? undefined : parseAimx(fees.coinPrice),
  sharePpm: BigInt(Math.round(fees.share * 1e6)),
  dailyBudget: fees.dailyBudget === undefined ? undefined : parseAimx(fees.dailyBudget),
});
