import { z } from 'zod';
import { bytes, duration } from '../units.ts';
import { anchorSection, exposureSection, feesSection } from './channels.ts';

export const billingSection = z.strictObject({
  chain: z
    .strictObject({
      rpcUrl: z
        .string()
        .refine(
          (text) => text.split(',').every((url) => URL.canParse(url.trim())),
          'a URL, or several separated by commas',
        )
        .describe(
          'Node of the chain. Several, separated by commas: the next is asked where one does not answer',
        ),
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
      directory: z
        .string()
        .regex(/^0x[0-9a-fA-F]{40}$/)
        .optional()
        .describe('Address of the directory of gateways; absent: where `ledger deploy` puts it'),
      benchmarks: z
        .string()
        .regex(/^0x[0-9a-fA-F]{40}$/)
        .optional()
        .describe('Address of the registry of benchmark results; absent: where `ledger deploy` puts it'),
      startBlock: z
        .number()
        .int()
        .min(0)
        .default(0)
        .describe('Block in which the ledger was deployed: channels are looked for from there'),
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
  anchors: z
    .array(anchorSection)
    .max(16)
    .default([])
    .describe(
      'Other chains on which the head of the home ledger is anchored; receipts, channels and money stay at home',
    ),
  provider: z
    .string()
    .regex(/^0x[0-9a-fA-F]{40}$/)
    .optional()
    .describe(
      'Address that customers pay, whose key is not on this gateway; absent: no channels with customers',
    ),
  require: z
    .enum(['none', 'channel'])
    .default('none')
    .describe('channel: inference requests from outside must name a channel that pays for them'),
  exposure: exposureSection,
  fees: feesSection,
  tariff: z.string().optional().describe('Tariff file (JSON)'),
  rate: z
    .string()
    .optional()
    .describe('File with the signed rate of a tariff in a currency; read anew when it changes'),
  rents: z
    .array(
      z.strictObject({
        account: z.string().min(1).max(200).describe('Who is billed: pipeline/ID or consumer/NAME'),
        share: z.number().int().min(1).max(100).describe('Of the accelerator, in percent'),
      }),
    )
    .max(100)
    .refine(
      (rents) =>
        new Set(rents.map(({ account }) => account)).size === rents.length &&
        rents.reduce((sum, { share }) => sum + share, 0) <= 95,
      'one share for each account, and 95 percent in all at most',
    )
    .default([])
    .describe(
      'Shares of the accelerator that accounts have whenever they need them: metered as rent_s, a receipt a minute',
    ),
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
  maxBytes: bytes
    .refine((size) => size >= 1024 ** 2, 'at least 1MiB')
    .prefault('256MiB')
    .describe(
      'Room for all receipts. Above it the oldest settled ones go; receipts that wait for the chain never do: when they fill half of it, further uses share one receipt a minute, then an hour, per account and model',
    ),
  coalesce: z
    .strictObject({
      above: z
        .number()
        .int()
        .min(0)
        .default(1000)
        .describe(
          'Inferences per second, over all accounts, above which those of an account in one commit share a receipt (quantity n); the price is the same',
        ),
    })
    .prefault({}),
});
