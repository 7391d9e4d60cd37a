/** Receipts that one signed head may stand for; bounds what a proof must carry. */
export const HEAD_EVERY = 256;
