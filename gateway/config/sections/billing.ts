import { z } from 'zod';
import { duration } from '../units.ts';

export const billingSection = z.strictObject({
  chain: z
    .strictObject({
      rpcUrl: z.string(),
      chainId: z.number().int().min(1),
      ledger: z
        .string()
        .regex(/^0x[0-9a-fA-F]{40}$/)
        .optional()
        .describe('Address of the ledger contract; absent: `ledger deploy` on a dev chain'),
      keystore: z.string().describe('Keystore V3 file of the device key'),
      passphraseFile: z.string().describe('File with its passphrase, mode 0400'),
      confirmations: z
        .number()
        .int()
        .min(0)
        .default(2)
        .describe('Depth that counts as final where the chain has no finalized tag'),
      token: z
        .string()
        .regex(/^0x[0-9a-fA-F]{40}$/)
        .optional()
        .describe('Address of the AIMX token; part of the terms of every channel'),
      replaceAfter: duration
        .prefault('90s')
        .describe('A transaction that waits longer is replaced by one that pays more'),
      maxFeeGwei: z
        .number()
        .positive()
        .max(1_000_000)
        .default(200)
        .describe('Fee per gas that is never exceeded; posting waits and an alarm is raised'),
    })
    .optional(),
  tariff: z.string().optional().describe('Tariff file (JSON)'),
  batch: z
    .strictObject({
      maxReceipts: z.number().int().min(1).max(100_000).prefault(10_000),
      maxAge: duration
        .prefault('24h')
        .describe('A batch is posted at the latest this long after its first receipt'),
      idle: duration
        .optional()
        .describe(
          'Post whatever there is once this long has passed since the last post; default: 30s on a dev chain (31337), else only maxReceipts and maxAge count',
        ),
    })
    .prefault({}),
  keep: duration
    .prefault('90d')
    .describe(
      'Receipts older than this are removed once the chain holds them for good (without a chain: by age alone)',
    ),
  coalesce: z
    .strictObject({
      above: z
        .number()
        .int()
        .min(0)
        .default(1000)
        .describe(
          'Inferences per second of one account above which those of one commit share a receipt (quantity n); the price is the same',
        ),
    })
    .prefault({}),
});
