/**
 * The payer as a module: `@aimx/gateway/payer`. Books, limits, checks, signatures, and what works through a {@link PayerLink} and an
 * {@link Escrow}; those for HTTP, MQTT and EVM chains are `@aimx/gateway/payer/links` and `@aimx/gateway/payer/evm`.
 */

export type { Escrow, EscrowTerms, EscrowView } from '../ports/escrow.ts';
export type { LinkAnswer, LinkReply, PayerLink } from '../ports/payer-link.ts';
export type { Asked } from './answers.ts';
export { Books } from './books/books.ts';
export {
  clearRefusal,
  listChannels,
  listIncidents,
  type PayerChannel,
  readChannel,
} from './books/channels.ts';
export { listSpent, readLimits, setLimit } from './books/limits-table.ts';
export { listPayments, planPayment } from './books/payments.ts';
export { DEFAULT_RETENTION, prune, type Retention } from './books/retention.ts';
export { acceptedTariffs, acceptTariff } from './books/tariffs.ts';
export { planDeposit } from './chain/deposit.ts';
export { paymentRound } from './chain/payments.ts';
export { watchChannel } from './chain/watch.ts';
export {
  type Accepted,
  type CheckContext,
  checkReceipt,
  type OwnRequest,
  type Standing,
} from './check/receipt.ts';
export type { RefusalCode, Refused } from './check/refusal.ts';
export { Desk, type DeskOptions, type DeskParts } from './desk.ts';
export { advance, receive, receiveHead } from './intake.ts';
export { Keeper, type KeeperParts } from './keeper.ts';
export type { Limit, LimitScope } from './limits.ts';
export { type Offer, readOffer } from './offer.ts';
export { newChannel } from './open.ts';
export { sendRequests } from './requests.ts';
export { signAck, signCeiling } from './signing.ts';
