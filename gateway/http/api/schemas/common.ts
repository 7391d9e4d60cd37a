import { z } from 'zod';

/** Words that the schemas share. Times are milliseconds since the Unix epoch. */

export const count = z.number().int().min(0);
export const time = z.number();
/** A number of smallest units of the token, in decimal. */
export const tokenUnits = z.string().describe('Smallest unit of the token, decimal');

export const id = z.string().min(1).max(128);

/** At most this many entries of a list. */
export const limit = z.coerce.number().int().min(1).max(1000).default(100).describe('At most this many');

/** What each error answer holds. */
export const errorBody = z.object({
  error: z.looseObject({
    code: z.string().describe('One of the codes of the gateway'),
    message: z.string(),
    received: z.unknown().optional().describe('What arrived, shortened; never a secret'),
    expected: z.string().optional().describe('What would have been accepted'),
    fix: z.string().describe('What to do about it'),
  }),
});
