/** Why a receipt or a head is not taken. Pure values: what to do about them is the caller's decision. */

export type RefusalCode =
  /** Another channel, a number that does not follow, another predecessor, a total that does not add up. */
  | 'chain'
  /** The hash that the gateway states is not that of the receipt. */
  | 'hash'
  /** A tariff that the owner has not accepted. */
  | 'tariff'
  /** Usage that is not that of the request, or does not count on from what was used before. */
  | 'usage'
  /** An amount that does not follow from tariff and usage. */
  | 'amount'
  /** Another model than the one asked. */
  | 'model'
  /** A request that was never made, or was billed before. */
  | 'request'
  /** Request or answer that are not those that went over the wire. */
  | 'answer'
  /** A head that contradicts the receipts, or that the device did not sign. */
  | 'head'
  /** A total above the highest ceiling signed. */
  | 'ceiling'
  /** A limit of the owner. */
  | 'limit';

export interface Refused {
  readonly kind: 'refused';
  readonly code: RefusalCode;
  readonly reason: string;
}

export const refused = (code: RefusalCode, reason: string): Refused => ({ kind: 'refused', code, reason });
