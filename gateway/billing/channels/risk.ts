import type { Clock } from '../../ports/clock.ts';
import type { ChannelAccount } from './account.ts';

/** How often the risk over all channels is added up anew. */
const ADD_UP_MS = 250;

/** What payers have neither acknowledged nor paid, over all channels. */
export class Risk {
  readonly #clock: Clock;
  #at = Number.NEGATIVE_INFINITY;
  #sum = 0n;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Units, with those under way and `more` that was just set aside: added up now and then, and never too low. */
  with(more: bigint, accounts: Iterable<ChannelAccount>): bigint {
    const now = this.#clock.monotonic();
    if (now - this.#at < ADD_UP_MS) this.#sum += more;
    else {
      this.#at = now;
      this.#sum = 0n;
      for (const account of accounts) this.#sum += account.unacknowledged + account.money.reserved;
    }
    return this.#sum;
  }
}

export interface CustomerStats {
  readonly channels: number;
  /** Nothing more is served on them now. */
  readonly stopped: number;
  /** Requests refused since the start. */
  readonly refused: number;
  /** Units served and not acknowledged, and not paid. */
  readonly unacknowledged: string;
  readonly unpaid: string;
}

/** @param upTo what may be billed in all on a channel */
export function customerStats(
  accounts: Iterable<ChannelAccount>,
  upTo: (account: ChannelAccount) => bigint,
  refused: Iterable<number>,
): CustomerStats {
  let [channels, stopped, unacknowledged, unpaid] = [0, 0, 0n, 0n];
  for (const account of accounts) {
    const { cumulative, latest } = account;
    channels++;
    if (cumulative >= upTo(account)) stopped++;
    unacknowledged += account.unacknowledged;
    unpaid += cumulative > latest.paid ? cumulative - latest.paid : 0n;
  }
  return {
    ...{ channels, stopped, refused: [...refused].reduce((sum, count) => sum + count, 0) },
    ...{ unacknowledged: String(unacknowledged), unpaid: String(unpaid) },
  };
}
