import { z } from 'zod';

/** Channels with customers. Amounts and numbers of receipts are decimal strings, bytes hexadecimal with 0x. */

const units = z.string().regex(/^\d+$/).describe('In the token’s smallest unit, or a number');
const hex = z.string().regex(/^0x[0-9a-fA-F]*$/);

export const ceilingBody = z
  .object({ maxCumulative: units, validUntil: units.describe('Seconds since the epoch'), signature: hex })
  .describe('Signed by the payer’s session key (EIP-712 Ceiling)');

export const ackBody = z
  .object({ seq: units, cumulative: units, receiptHash: hex, signature: hex })
  .describe('Signed by the payer’s session key (EIP-712 Ack)');

const config = z.object({
  ...{ payer: hex, payerSigner: hex, provider: hex, device: hex, token: hex },
  withdrawDelay: z.number().describe('Seconds'),
  disputeWindow: z.number().describe('Seconds'),
  salt: hex,
});

export const channelView = z.object({
  channelId: hex,
  chainId: z.number(),
  ledger: hex,
  config,
  state: z.enum(['open', 'stopped']),
  bound: z
    .object({ code: z.string(), message: z.string(), upTo: units })
    .describe('The bound that ends service first: what may be billed in all'),
  newest: z.object({ seq: units, cumulative: units, receiptHash: hex }),
  deposit: z.object({
    ...{ balance: units, finalBalance: units, paid: units, held: units, heldSeq: units, releaseAt: units },
    ...{ thawing: units, thawAt: units },
    seenAt: z.number().describe('Milliseconds since the epoch'),
  }),
  ceiling: ceilingBody.nullable(),
  acknowledged: ackBody.nullable(),
  head: ackBody.nullable().describe('The newest that the device has signed (EIP-712 Head)'),
  exposure: z.object({
    ...{ unacknowledged: units, unpaid: units, granted: units, reserved: units },
    inFlight: z.number(),
    left: units.describe('What may still be billed'),
  }),
});

export const channelReceipt = z
  .looseObject({ channelId: hex, seq: units, prevHash: hex, hash: hex, amount: units, cumulative: units })
  .describe('A receipt with the preimages of its hashes, as it stands in the answer');

export const receiptsFrom = z.strictObject({
  from: z.coerce.number().int().min(1).default(1).describe('Number of the first receipt'),
  limit: z.coerce.number().int().min(1).max(1000).default(100).describe('At most this many'),
});

export const collectBody = z.strictObject({ what: z.enum(['post', 'settle']) });

export const tariffView = z.object({
  tariff: z.looseObject({}).describe('Canonical JSON of it is the preimage of tariffHash'),
  tariffHash: hex,
  channel: z.looseObject({}).describe('Terms under which channels are served'),
});
