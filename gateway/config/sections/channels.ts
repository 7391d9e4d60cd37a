import { z } from 'zod';
import { duration } from '../units.ts';

/** An amount in whole tokens, exact. */
const tokens = z.string().regex(/^\d{1,20}(\.\d{1,18})?$/, 'an amount such as "0.5" or "100", in quotes');

/** How much a provider risks on channels with customers. */
export const exposureSection = z
  .strictObject({
    unacknowledged: tokens
      .default('1000')
      .describe(
        'AIMX per channel that may be served before its payer acknowledges (never above its ceiling)',
      ),
    unsettled: tokens
      .default('10000')
      .describe('AIMX per channel that may be served before the ledger has paid'),
    total: tokens.default('100000').describe('AIMX not acknowledged yet over all channels'),
    unseenThaw: duration
      .prefault('1d')
      .describe(
        'A channel is no longer served this long before a withdrawal that nobody saw could end: keep it longer than an outage of the chain takes to mend',
      ),
    claimAfter: duration
      .prefault('24h')
      .describe('What a payer does not acknowledge for this long is claimed under the ceiling'),
    expiry: duration
      .prefault('10m')
      .describe('Time to claim under a ceiling before it expires: it is served no longer than until then'),
  })
  .prefault({});

/** What posting may cost. */
export const feesSection = z
  .strictObject({
    coinPrice: tokens
      .optional()
      .describe(
        'What one coin of the chain costs in AIMX; absent: fees are not weighed against what they earn',
      ),
    share: z
      .number()
      .positive()
      .max(1)
      .default(0.01)
      .describe('Posts go out once the fee is at most this share of what they earn (and by batch.maxAge)'),
    dailyBudget: tokens
      .optional()
      .describe('Coins of the chain spent on fees in 24 hours; only announced withdrawals may go above it'),
  })
  .prefault({});

/** A ledger on another chain, which gets heads only. */
export const anchorSection = z.strictObject({
  rpcUrl: z.string(),
  chainId: z.number().int().min(1),
  ledger: z
    .string()
    .regex(/^0x[0-9a-fA-F]{40}$/)
    .describe('Address of the ledger contract there'),
  confirmations: z.number().int().min(0).default(2),
  every: duration.prefault('24h').describe('Time between two anchors'),
  maxFeeGwei: z.number().positive().max(1_000_000).default(200),
});
