import type { ErrorCode } from '../../errors.ts';
import type { EscrowState, EscrowTerms } from '../../ports/escrow.ts';
import type { SignedCeiling, SignedStatement } from '../formats/wire.ts';

/**
 * How far a channel may be served: a pure function of what the ledger, the payer and the configuration say. Everything that can
 * end service is one row here, so that nothing is served that could not be collected.
 */

export interface Rules {
  /** Units per channel before its payer acknowledges. */
  readonly unacknowledged: bigint;
  /** Units per channel before the ledger has paid. */
  readonly unsettled: bigint;
  /** Service ends this long, ms, before a withdrawal that nobody saw could end. */
  readonly unseenThaw: number;
  /** And this long before a ceiling expires. */
  readonly expiry: number;
  /** What channels must pay in, lower case. */
  readonly token: string;
}

export interface Words {
  readonly terms: EscrowTerms;
  /** As of the newest block, and of the newest final one. */
  readonly latest: EscrowState;
  readonly final: EscrowState;
  /** Epoch ms: the ledger was as `latest` says. 0: never seen. */
  readonly seenAt: number;
  readonly ceiling: SignedCeiling | undefined;
  readonly ack: SignedStatement | undefined;
}

/** What may be billed in all, and which bound that is. */
export interface Standing {
  readonly upTo: bigint;
  readonly code: ErrorCode;
  readonly why: string;
}

/** What a payer has agreed to or the ledger has paid: it needs no ceiling. */
export const granted = ({ ack, latest }: Pick<Words, 'ack' | 'latest'>): bigint =>
  greater(ack?.cumulative ?? 0n, latest.paid);

/**
 * The lowest bound.
 * @param now epoch ms
 */
export function standing(words: Words, rules: Rules, now: number): Standing {
  const { terms, latest, final, ceiling, ack } = words;
  const stop = (code: ErrorCode, why: string): Standing => ({ upTo: 0n, code, why });
  if (terms.token.toLowerCase() !== rules.token)
    return stop('CHANNEL_TERMS', `the channel pays in another token (${terms.token})`);
  if (terms.withdrawDelay * 1000 <= rules.unseenThaw)
    return stop('CHANNEL_TERMS', 'the channel can be emptied too quickly (withdrawDelay)');
  if (words.seenAt === 0 || now >= unseenUntil(words, rules))
    return stop('CHANNEL_UNSEEN', 'a withdrawal could end before this gateway sees it');
  if (!ceiling) return stop('CHANNEL_CEILING', 'the payer has signed no ceiling');
  if (now >= ceiling.validUntil * 1000 - rules.expiry)
    return stop('CHANNEL_EXPIRED', 'the ceiling is about to expire, or has');
  const deposit = lesser(latest.balance, final.balance);
  const bounds: Standing[] = [
    { upTo: ceiling.maxCumulative, code: 'CHANNEL_CEILING', why: 'the ceiling is reached' },
    { upTo: deposit, code: 'CHANNEL_DEPOSIT', why: 'the deposit is used up' },
    {
      upTo: granted({ ack, latest }) + rules.unacknowledged,
      code: 'CHANNEL_EXPOSURE',
      why: 'too much is not acknowledged',
    },
    { upTo: latest.paid + rules.unsettled, code: 'CHANNEL_EXPOSURE', why: 'too much is not paid' },
  ];
  if (latest.thawing > 0n) {
    const left = deposit > latest.thawing ? deposit - latest.thawing : 0n;
    bounds.push({ upTo: left, code: 'CHANNEL_THAWING', why: 'the payer takes the deposit back' });
  }
  return bounds.reduce((least, bound) => (bound.upTo < least.upTo ? bound : least));
}

/** When service ends unless the ledger is seen again: a withdrawal announced right after the last look ends a margin later. */
export const unseenUntil = ({ terms, seenAt }: Words, rules: Rules): number =>
  seenAt + terms.withdrawDelay * 1000 - rules.unseenThaw;

/** What can be collected of work that was begun: the ceiling as it is and the deposit that is there now. */
export const collectable = ({ ceiling, latest }: Words): bigint =>
  lesser(ceiling?.maxCumulative ?? 0n, latest.balance);

const lesser = (a: bigint, b: bigint): bigint => (a < b ? a : b);
const greater = (a: bigint, b: bigint): bigint => (a > b ? a : b);
