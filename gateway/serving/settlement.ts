import { hash } from 'node:crypto';
import { asGatewayError, GatewayError } from '../errors.ts';
import type { Admission } from '../ports/channels.ts';
import type { TensorAnswer } from '../ports/inference.ts';
import type { Prepared } from '../ports/publisher.ts';
import type { InferenceCall, InferenceReply, ReplyAddress } from '../ports/serving.ts';
import type { ModuleOp } from '../store/types.ts';
import type { Courier } from './courier.ts';
import type { Flight, Waiter } from './flight.ts';
import type { Ledger } from './ledger.ts';
import { failure, mayRepeat } from './outcome.ts';
import type { ServingParts } from './parts.ts';
import { type EncodedBody, withReceipt } from './protocol/response.ts';

export interface SettlementParts extends Pick<ServingParts, 'store' | 'meter' | 'log'> {
  readonly courier: Courier;
  readonly ledger: Ledger;
  /** A request is over. */
  onDone(flight: Flight, reply: InferenceReply): void;
}

type Done = (reply: InferenceReply) => void;

/** Ends requests: answer, receipt, ledger row and message commit together, and only then somebody is told. */
export class Settlement {
  readonly #parts: SettlementParts;

  constructor(parts: SettlementParts) {
    this.#parts = parts;
  }

  /** The terminal answer of a request, and what it used. Later ones are ignored. */
  finish(flight: Flight, reply: InferenceReply, answer?: TensorAnswer): void {
    if (flight.state !== 'running') return;
    flight.state = 'committing';
    const { courier, ledger } = this.#parts;
    const addresses = addressesOf(flight.waiters);
    const owed = courier.owes && !mayRepeat(reply) && flight.ledgered ? addresses[0] : undefined;
    if (flight.admission && answer?.ok && reply.code === undefined) {
      this.#finishPaid(flight, flight.admission, reply, answer, addresses, owed);
      return;
    }
    const prepared = courier.prepare(reply, addresses);
    const ops = [
      ...this.#charge(flight, reply, answer),
      ...ledger.close(flight, reply, owed),
      ...prepared.ops,
    ];
    const sent = courier.owes ? [] : addresses;
    this.#commit(ops).then(
      () => {
        prepared.settle(true);
        this.#finished(flight, reply, owed, sent);
      },
      (cause: unknown) => {
        prepared.settle(false);
        this.#onFailure(flight, asGatewayError(cause));
      },
    );
  }

  /** The same on a channel, whose receipt stands in the answer. */
  #finishPaid(
    flight: Flight,
    admission: Admission,
    reply: InferenceReply,
    answer: TensorAnswer & { readonly ok: true },
    addresses: readonly ReplyAddress[],
    owed: ReplyAddress | undefined,
  ): void {
    const { courier, ledger } = this.#parts;
    const use = {
      ...{ model: answer.model, startedAt: flight.accepted, computeUs: answer.computeUs },
      ...{ bytesOut: reply.body.length, answerHash: hash('sha256', reply.body, 'buffer') },
    };
    let paid = reply;
    let prepared: Prepared | undefined;
    admission
      .settle(use, (receipt) => {
        prepared?.settle(false);
        paid = { ...reply, ...encoded(withReceipt(encodedOf(reply), receipt)) };
        prepared = courier.prepare(paid, addresses);
        return [...ledger.close(flight, paid, owed), ...prepared.ops];
      })
      .then(
        () => {
          prepared?.settle(true);
          this.#finished(flight, paid, owed, courier.owes ? [] : addresses);
        },
        (cause: unknown) => {
          prepared?.settle(false);
          this.#onFailure(flight, asGatewayError(cause));
        },
      );
  }

  #finished(
    flight: Flight,
    reply: InferenceReply,
    owed: ReplyAddress | undefined,
    sent: readonly ReplyAddress[],
  ): void {
    const { account, id } = flight;
    if (owed) void this.#parts.courier.send(reply, owed, { account, id });
    this.#deliver(flight, reply, owed ? [owed] : sent);
  }

  /** An answer that is not this request's to keep: the stored one of an earlier request, or a refusal. */
  finishUnkept(flight: Flight, reply: InferenceReply): void {
    if (flight.state !== 'running') return;
    flight.state = 'committing';
    this.#publish(reply, addressesOf(flight.waiters), []).then(
      () => this.#deliver(flight, reply, addressesOf(flight.waiters)),
      (cause: unknown) => this.#onFailure(flight, asGatewayError(cause)),
    );
  }

  /** Answers what was never under way. */
  answerAlone(
    call: InferenceCall,
    reply: InferenceReply,
    address: ReplyAddress | undefined,
    done: Done,
  ): void {
    const ops = call.ops ?? [];
    const addresses = address ? [address] : [];
    if (ops.length === 0 && addresses.length === 0) {
      call.accepted?.(null);
      done(reply);
      return;
    }
    this.#publish(reply, addresses, ops).then(
      () => {
        call.accepted?.(null);
        done(reply);
      },
      (cause: unknown) => {
        call.accepted?.(asGatewayError(cause));
        done(reply);
      },
    );
  }

  /** A repetition of a request that is under way waits with it. */
  join(flight: Flight, call: InferenceCall, waiter: Waiter): void {
    flight.waiters.push(waiter);
    const { accepted, ops = [] } = call;
    if (ops.length > 0) {
      // Stored after the request itself, because the store keeps the order.
      this.#commit(ops).then(
        () => accepted?.(null),
        (cause: unknown) => accepted?.(asGatewayError(cause)),
      );
    } else if (flight.state === 'accepting' && accepted) flight.accepting.push(accepted);
    else accepted?.(null);
  }

  /** The store does not get on and the deadline is over: callers who hold a connection are told to ask again. */
  tellBusy(flight: Flight): void {
    const reply = failure(
      flight.id,
      'STORE_BUSY',
      'the answer could not be stored in time; ask again with this id',
    );
    const waiting = flight.waiters.filter(({ address }) => address === undefined);
    for (const waiter of waiting) {
      flight.waiters.splice(flight.waiters.indexOf(waiter), 1);
      waiter.done(reply);
    }
  }

  /** The gateway stops: whoever can wait gets the answer after the next start. */
  abandon(flight: Flight): void {
    if (flight.state === 'committing' || flight.state === 'done') return;
    const error = new GatewayError('STOPPING', 'the gateway is stopping');
    for (const accepted of flight.accepting.splice(0)) accepted(error);
    this.#deliver(flight, failure(flight.id, error.code, error.message), addressesOf(flight.waiters));
  }

  #charge(flight: Flight, reply: InferenceReply, answer: TensorAnswer | undefined): readonly ModuleOp[] {
    if (!answer?.ok || reply.code !== undefined) return [];
    const { account, id, body, accepted } = flight;
    const { name, version, sha256 } = answer.model;
    const use = {
      ...{ requestId: id, account, model: { name, version, sha256 }, startedAt: accepted },
      computeUs: answer.computeUs,
      bytesIn: body.length,
      bytesOut: reply.body.length,
      // Bodies may be binary and large: the receipt commits to their digests.
      request: digest(body),
      answer: digest(reply.body),
    };
    return this.#parts.meter.charge([use], { onConflict: 'error' });
  }

  async #commit(ops: readonly ModuleOp[]): Promise<void> {
    if (ops.length > 0) await this.#parts.store.commit({ ops });
  }

  async #publish(
    reply: InferenceReply,
    addresses: readonly ReplyAddress[],
    ops: readonly ModuleOp[],
  ): Promise<void> {
    const { courier } = this.#parts;
    const prepared = courier.prepare(reply, addresses);
    try {
      await this.#commit([...ops, ...prepared.ops]);
    } catch (error) {
      prepared.settle(false);
      throw error;
    }
    prepared.settle(true);
    if (courier.owes) await Promise.all(addresses.map((address) => courier.send(reply, address)));
  }

  #onFailure(flight: Flight, error: GatewayError): void {
    if (error.code === 'BILLING_CONFLICT' || error.code.startsWith('CHANNEL_')) {
      flight.state = 'running';
      this.finish(flight, failure(flight.id, error.code, error.message));
      return;
    }
    this.#parts.log.error({ err: error, id: flight.id }, 'serving: an answer could not be stored');
    // Its row stays open: it runs again when it is asked for again, or at the next start.
    this.#deliver(flight, failure(flight.id, error.code, error.message), addressesOf(flight.waiters));
  }

  /** Tells everyone; topics in `sent` have it already. */
  #deliver(flight: Flight, reply: InferenceReply, sent: readonly ReplyAddress[]): void {
    flight.state = 'done';
    this.#parts.onDone(flight, reply);
    for (const { address, done } of flight.waiters) {
      if (address && !sent.some((known) => sameAddress(known, address)))
        void this.#parts.courier.send(reply, address);
      done(reply);
    }
  }
}

const encodedOf = ({ body, headerBytes }: InferenceReply): EncodedBody => ({ body, headerBytes });

const encoded = ({ body, headerBytes }: EncodedBody): Pick<InferenceReply, 'body' | 'headerBytes'> =>
  headerBytes === undefined ? { body } : { body, headerBytes };

const digest = (body: Uint8Array): string => `sha256:${hash('sha256', body, 'hex')}`;

const sameAddress = (a: ReplyAddress, b: ReplyAddress): boolean =>
  a.topic === b.topic && Buffer.compare(a.correlation ?? NONE, b.correlation ?? NONE) === 0;

const NONE = new Uint8Array(0);

/** Where to publish: one message for each place, however often it was asked for. */
function addressesOf(waiters: readonly Waiter[]): ReplyAddress[] {
  const list: ReplyAddress[] = [];
  for (const { address } of waiters)
    if (address && !list.some((known) => sameAddress(known, address))) list.push(address);
  return list;
}
