import type { InferenceReply, ReplyAddress } from '../ports/serving.ts';
import type { ModuleOp } from '../store/types.ts';
import { type Flight, requestHash, storedAddress } from './flight.ts';
import { mayRepeat, toStored } from './outcome.ts';
import type { ServingParts } from './parts.ts';
import type { AcceptArgs, Acceptance, AnswerArgs, OpenRow } from './store-module.ts';

/** What the main thread asks of the ledger in the store. */
export class Ledger {
  readonly #parts: Pick<ServingParts, 'config' | 'store' | 'clock'>;

  constructor(parts: Pick<ServingParts, 'config' | 'store' | 'clock'>) {
    this.#parts = parts;
  }

  /** Enters a request, in one transaction with what the door has to remember of it. */
  async accept(flight: Flight, ops: readonly ModuleOp[]): Promise<Acceptance> {
    const { account, id, accepted, deadline, call, body } = flight;
    const args: AcceptArgs = {
      ...{ account, id, accepted, deadline, body },
      hash: requestHash(call, body),
      call: JSON.stringify(call),
    };
    const results = await this.#parts.store.commit({ ops: [...ops, { op: 'serving.accept', args }] });
    return results[ops.length] as Acceptance;
  }

  /** What closes a request with this answer. `owed`: where a broker of others still has to take it. */
  close(flight: Flight, reply: InferenceReply, owed: ReplyAddress | undefined): ModuleOp[] {
    if (!flight.ledgered) return [];
    const { account, id, call, body } = flight;
    // An id that is not the caller's is never asked for again, and a refusal that may be repeated uses none up.
    if ((!call.ownId && !owed) || mayRepeat(reply)) return [{ op: 'serving.forget', args: { account, id } }];
    const { config, clock } = this.#parts;
    const now = clock.now();
    const args: AnswerArgs = {
      ...{ account, id, now, ...toStored(reply) },
      hash: requestHash(call, body),
      before: clock.synced() ? now - config.keep : 0,
      maxAnswers: config.maxAnswers,
      maxBytes: config.maxAnswerBytes,
      ...(owed ? { owed: JSON.stringify(storedAddress(owed)) } : {}),
    };
    return [{ op: 'serving.answer', args }];
  }

  /** Requests without an answer, in the order of their acceptance. */
  open(after: number, limit: number): Promise<OpenRow[]> {
    return this.#parts.store.query<OpenRow[]>('serving.open', { after, limit });
  }
}
