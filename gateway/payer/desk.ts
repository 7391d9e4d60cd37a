import { hash, randomUUID } from 'node:crypto';
import { toHex } from '../billing/formats/bytes.ts';
import {
  readReceipt,
  readStatement,
  withoutReceipt,
  writeCeiling,
  writeStatement,
} from '../billing/formats/wire.ts';
import { asGatewayError, GatewayError } from '../errors.ts';
import type { Signer } from '../ports/chain.ts';
import type { Clock } from '../ports/clock.ts';
import type { LinkAnswer, LinkReply, PayerLink } from '../ports/payer-link.ts';
import { type Asked, mayBeSentAgain, receiptIn } from './answers.ts';
import type { Books } from './books/books.ts';
import { noteIncident, readChannel } from './books/channels.ts';
import { readLimits, spentOn } from './books/limits-table.ts';
import {
  addRequest,
  countOpen,
  noteAnswer,
  type OpenRequest,
  openRequest,
  openRequests,
  ownRequest,
} from './books/requests.ts';
import { advance, type IntakeOptions, type Progress, receive, receiveHead } from './intake.ts';
import { modelLimit } from './limits.ts';
import {
  ackDelivered,
  ceilingDelivered,
  limitReached,
  newestAck,
  newestCeiling,
  signAck,
  signCeiling,
  undelivered,
} from './signing.ts';
import { DEFAULT_WINDOW, priceOf, windowOf } from './window.ts';

/** One channel's dealings with its gateway: requests, receipts, acknowledgements, ceilings. */

export interface DeskParts {
  readonly books: Books;
  readonly session: Signer;
  readonly link: PayerLink;
  /** Where receipts and states are asked for when `link` cannot be; absent: nowhere. */
  readonly side?: PayerLink;
  readonly clock: Clock;
  readonly channel: Uint8Array;
}

export interface DeskOptions extends IntakeOptions {
  /** Inferences that the gateway may be ahead. */
  readonly window?: number;
  /** How long a ceiling is valid, ms. */
  readonly validForMs?: number;
}

/** A ceiling outlives an outage of a day on either side, with time to claim under it. */
const VALID_FOR_MS = 3 * 24 * 3_600_000;
/** Receipts asked for at a time, and how often in a row. */
const PAGE = 256;
const MAX_PAGES = 64;

export class Desk {
  readonly #parts: DeskParts;
  readonly #options: DeskOptions;
  readonly #hex: string;

  constructor(parts: DeskParts, options: DeskOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#hex = toHex(parts.channel);
  }

  get channel(): Uint8Array {
    return this.#parts.channel;
  }

  /**
   * Enters a request of ours in the books and answers what to send. The same request again is the one that is there; a different
   * one with its id throws REQUEST_CONFLICT. Throws PAYER_LIMIT when the model's limit is reached.
   */
  prepare(model: string, document: object): OpenRequest {
    const { books, channel, clock } = this.#parts;
    const now = clock.now();
    const given = document as { id?: unknown; parameters?: object };
    const id = typeof given.id === 'string' && given.id !== '' ? given.id : randomUUID();
    const parameters = { ...given.parameters, channel: this.#hex };
    const body = Buffer.from(JSON.stringify({ ...given, id, parameters }));
    const request = { id, model, sha: hash('sha256', body, 'buffer'), body };
    return books.transaction(() => {
      const known = ownRequest(books, channel, id);
      if (known && Buffer.compare(known.sha, request.sha) !== 0)
        throw new GatewayError('REQUEST_CONFLICT', `Request ${id} was made with another body before.`);
      if (!known) {
        const [name] = model.split('@');
        const open = BigInt(countOpen(books, channel) + 1) * priceOf(books, channel, now);
        const limit = modelLimit(readLimits(books), name!, spentOn(books, name!), open);
        if (limit) throw limitReached(limit);
        addRequest(books, channel, request, now);
      }
      return { ...request, sentAt: now };
    });
  }

  /** Requests of ours that have no answer yet: those of a run that was killed. */
  open(limit: number): OpenRequest[] {
    return openRequests(this.#parts.books, this.#parts.channel, limit);
  }

  /** Sends a request once. What comes is in the books before this resolves. */
  async ask({ id, model, body }: OpenRequest, signal: AbortSignal): Promise<Asked> {
    const { link, clock } = this.#parts;
    const begun = clock.monotonic();
    const answer = await link.infer(model, id, body, signal);
    if (!answer.ok)
      return { kind: 'later', id, code: answer.code ?? 'PAYER_GATEWAY', message: answer.reason };
    const { error } = answer.value;
    if (!error) {
      this.#take(id, answer.value, clock.monotonic() - begun);
      return { kind: 'answered', id, reply: answer.value };
    }
    if (mayBeSentAgain(error.code)) return { kind: 'later', id, ...error };
    noteAnswer(this.#parts.books, this.#parts.channel, id, { failed: error.code }, clock.now());
    return { kind: 'failed', id, ...error };
  }

  /** Asks for the answer to a request of ours that nobody waits for any more, so that its receipt can be checked. */
  async askAgain(id: string, olderThanMs: number): Promise<void> {
    const { books, channel, clock } = this.#parts;
    const request = openRequest(books, channel, id);
    if (request && clock.now() - request.sentAt > olderThanMs)
      await this.ask(request, AbortSignal.timeout(olderThanMs));
  }

  /** An answer and the receipt in it, in one transaction. */
  #take(id: string, { body, headerBytes }: LinkReply, elapsedMs: number): void {
    const { books, channel, clock } = this.#parts;
    const now = clock.now();
    const bare = withoutReceipt(body, headerBytes);
    const receipt = receiptIn(body, headerBytes);
    books.transaction(() => {
      const answer = { sha: hash('sha256', bare, 'buffer'), bytes: bare.length, elapsedMs };
      noteAnswer(books, channel, id, answer, now);
      if (!receipt) advance(books, channel, now, this.#options);
      else this.#receive(receipt, now);
    });
  }

  /** A receipt from wherever it came; one that cannot be read is noted and not taken. */
  #receive(document: unknown, now: number): void {
    const { books, channel } = this.#parts;
    try {
      const evidence = readReceipt(document);
      if (Buffer.compare(evidence.receipt.channelId, channel) === 0)
        receive(books, evidence, now, this.#options);
      else
        noteIncident(
          books,
          channel,
          'chain',
          `a receipt is of channel ${toHex(evidence.receipt.channelId)}`,
          now,
        );
    } catch (error) {
      const { code, message } = asGatewayError(error);
      if (code !== 'CHANNEL_DOCUMENT') throw error;
      noteIncident(books, channel, 'receipt', `a receipt cannot be read: ${message}`, now);
    }
  }

  /** A head by itself. */
  takeHead(document: unknown): void {
    const { books, channel, clock } = this.#parts;
    try {
      receiveHead(books, channel, readStatement(document, 'head'), clock.now(), this.#options);
    } catch (error) {
      const { code, message } = asGatewayError(error);
      if (code !== 'CHANNEL_DOCUMENT') throw error;
      noteIncident(books, channel, 'head', `a head cannot be read: ${message}`, clock.now());
    }
  }

  /** How the gateway sees the channel: of that only the head counts, because the device has signed it. */
  takeState(document: unknown): void {
    const head = typeof document === 'object' && document && 'head' in document ? document.head : undefined;
    if (head !== undefined && head !== null) this.takeHead(head);
  }

  /** Asks for receipts that did not come with an answer, and for the newest head. */
  async fetchMissing(): Promise<LinkAnswer<Progress>> {
    const { books, channel, clock } = this.#parts;
    const source = this.#parts.link.receipts ? this.#parts.link : this.#parts.side;
    const progress = (): Progress => advance(books, channel, clock.now(), this.#options);
    if (!source?.receipts) return { ok: true, value: progress() };
    let from = readChannel(books, channel).seq + 1;
    for (let page = 0; page < MAX_PAGES; page++) {
      const found = await source.receipts(this.#hex, from, PAGE);
      if (!found.ok) return found;
      const now = clock.now();
      books.transaction(() => {
        for (const document of found.value) this.#receive(document, now);
      });
      if (found.value.length < PAGE) break;
      from += found.value.length;
    }
    const state = await source.channel?.(this.#hex);
    if (state?.ok) this.takeState(state.value);
    return { ok: true, value: progress() };
  }

  /**
   * Signs what is due and hands it over: an acknowledgement of everything checked, a ceiling one window above. With `again` also
   * what the gateway should have already.
   */
  async settle(what: { readonly ack: boolean; readonly again?: boolean }): Promise<LinkAnswer<null>> {
    const { books, session, channel, clock, link } = this.#parts;
    const now = clock.now();
    if (what.ack && !readChannel(books, channel).refusal) signAck(books, session, channel, now);
    this.#raise(now);
    const due = undelivered(books, channel);
    const ack = due.ack ?? (what.again ? newestAck(books, channel) : undefined);
    const ceiling = due.ceiling ?? (what.again ? newestCeiling(books, channel) : undefined);
    if (ceiling) {
      const sent = await link.deliver(this.#hex, 'ceiling', writeCeiling(ceiling));
      if (!sent.ok) return sent;
      ceilingDelivered(books, channel, ceiling.maxCumulative, clock.now());
    }
    if (ack) {
      const sent = await link.deliver(this.#hex, 'ack', writeStatement(ack));
      if (!sent.ok) return sent;
      ackDelivered(books, channel, ack.seq, clock.now());
    }
    return { ok: true, value: null };
  }

  /** The ceiling for the next requests; where nothing more may be signed the present one has to do. */
  #raise(now: number): void {
    const { books, session, channel } = this.#parts;
    const { window = DEFAULT_WINDOW, validForMs = VALID_FOR_MS } = this.#options;
    // Until when a ceiling holds cannot be said before the time is known.
    if (!this.#parts.clock.synced()) return;
    try {
      signCeiling(books, session, channel, {
        window: windowOf(books, channel, window, now),
        validForMs,
        now,
      });
    } catch (error) {
      const { code } = asGatewayError(error);
      if (code !== 'PAYER_LIMIT' && code !== 'PAYER_ESCROW' && code !== 'PAYER_REFUSED') throw error;
      const { ceiling, cumulative } = readChannel(books, channel);
      if (ceiling <= cumulative || code === 'PAYER_REFUSED') throw error;
    }
  }
}
