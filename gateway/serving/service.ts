import { hash, randomUUID } from 'node:crypto';
import { asGatewayError, GatewayError } from '../errors.ts';
import type { ChannelParameters } from '../ports/channels.ts';
import type { TensorAnswer } from '../ports/inference.ts';
import type { InferenceCall, InferenceReply, ReplyAddress, Serving } from '../ports/serving.ts';
import { bodyFromCbor, bodyToCbor } from './cbor.ts';
import { Courier } from './courier.ts';
import { addressOf, type Flight, keyOf, requestHash, type StoredCall, storedAddress } from './flight.ts';
import { Ledger } from './ledger.ts';
import { failure, fromStored, success } from './outcome.ts';
import type { ServingParts } from './parts.ts';
import { readParameters } from './protocol/parameters.ts';
import { type InferRequest, type ParsedBody, parseBody, readRequest } from './protocol/request.ts';
import { encodeResponse } from './protocol/response.ts';
import { Settlement } from './settlement.ts';
import { Statistics } from './statistics.ts';
import type { Acceptance, OpenRow } from './store-module.ts';

/** What a request costs in memory beside its body. */
const FLIGHT_BYTES = 2048;
/** Rows of the ledger that run again at a time after a restart. */
const PAGE = 64;
/** How long past its deadline a request waits for the store to take its acceptance or its answer, ms. */
const STORE_GRACE_MS = 1000;
/** How long `stop` lets requests finish, ms. */
const STOP_MS = 2000;

/** Requests from all doors: read, entered in the ledger, computed, answered, billed. See README.md. */
export class InferenceService implements Serving {
  readonly #parts: ServingParts;
  readonly #courier: Courier;
  readonly #ledger: Ledger;
  readonly #settlement: Settlement;
  readonly statistics = new Statistics();
  /** Those with an id or a row, by account and id. */
  readonly #flights = new Map<string, Flight>();
  /** Came before the start. */
  #early: Flight[] | undefined = [];
  #count = 0;
  #bytes = 0;
  #stopping = false;
  #idle: (() => void)[] = [];
  readonly counts = { answered: 0, failed: 0, shed: 0, repeated: 0, joined: 0, recovered: 0 };

  constructor(parts: ServingParts) {
    this.#parts = parts;
    this.#courier = new Courier(parts);
    this.#ledger = new Ledger(parts);
    this.#settlement = new Settlement({
      ...parts,
      courier: this.#courier,
      ledger: this.#ledger,
      onDone: (flight, reply) => this.#onDone(flight, reply),
    });
  }

  /** Requests under way. */
  get inFlight(): number {
    return this.#count;
  }

  infer(call: InferenceCall, done: (reply: InferenceReply) => void): void {
    let id: string | undefined;
    let address = call.reply?.address; // for what cannot be read
    try {
      this.#refuseWhenFull(call.body.length);
      if (call.body.length > this.#parts.config.maxBodyBytes)
        throw new GatewayError('REQUEST_TOO_LARGE', `the request has ${call.body.length} bytes`);
      const parsed = parse(call);
      id = parsed.id;
      const request = readRequest(parsed);
      address = chosenAddress(call, request);
      this.#refuseUnpaid(call, request);
      const { model, version } = call;
      this.#parts.inference.model(version === undefined ? model : `${model}@${version}`);
      this.#enter(call, request, id, address, done);
    } catch (error) {
      this.#refuse(call, id, asGatewayError(error), address, done);
    }
  }

  #refuseUnpaid({ encoding }: InferenceCall, { parameters }: InferRequest): void {
    if (!parameters.channel && this.#parts.channels.required)
      throw new GatewayError('CHANNEL_REQUIRED', 'the request names no channel that pays for it');
    // The receipt commits to the bytes of the answer, which are made of JSON.
    if (parameters.channel && encoding === 'cbor')
      throw new GatewayError('REQUEST_INVALID', 'requests on a channel are JSON');
  }

  #refuseWhenFull(bytes: number): void {
    const { maxInFlight, maxInFlightBytes } = this.#parts.config;
    if (this.#stopping) throw new GatewayError('STOPPING', 'the gateway is stopping');
    if (this.#count < maxInFlight && (this.#count === 0 || this.#bytes + bytes <= maxInFlightBytes)) return;
    this.counts.shed++;
    throw new GatewayError('QUEUE_FULL', `${this.#count} requests are waiting for their answer`);
  }

  /** Answers at once; what was not accepted leaves no trace in the ledger. */
  #refuse(
    call: InferenceCall,
    id: string | undefined,
    error: GatewayError,
    address: ReplyAddress | undefined,
    done: (reply: InferenceReply) => void,
  ): void {
    this.counts.failed++;
    if (error.code === 'STOPPING') {
      // Not acknowledged: it is sent again when the gateway is back.
      call.accepted?.(error);
      done(failure(id, error.code, error.message));
      return;
    }
    if (error.code === 'INTERNAL') this.#parts.log.error({ err: error }, 'serving: a request failed');
    const reply = failure(id, error.code, error.message);
    this.#settlement.answerAlone(call, reply, address, done);
  }

  #enter(
    call: InferenceCall,
    request: InferRequest,
    ownId: string | undefined,
    address: ReplyAddress | undefined,
    done: (reply: InferenceReply) => void,
  ): void {
    const { account, body, durable } = call;
    const id = ownId ?? `~${randomUUID()}`;
    const ledgered = ownId !== undefined || durable;
    const waiter = { address, done };
    const known = ledgered ? this.#flights.get(keyOf(account, id)) : undefined;
    const stored = callToStore(call, ownId !== undefined, address);
    if (known) {
      if (!requestHash(stored, body).equals(requestHash(known.call, known.body))) throw conflict(id);
      this.counts.joined++;
      this.#settlement.join(known, call, waiter);
      return;
    }
    const { clock, config } = this.#parts;
    const span = Math.min(request.parameters.deadlineMs ?? config.deadline, config.maxDeadline);
    const now = clock.now();
    const flight: Flight = {
      ...{ account, id, call: stored, body, request, ledgered },
      waiters: [waiter],
      accepting: call.accepted ? [call.accepted] : [],
      ...{ accepted: now, deadline: now + span, begun: clock.monotonic() },
      state: ledgered ? 'accepting' : 'running',
      late: false,
      cancelDeadline: () => {},
    };
    this.#board(flight, span);
    if (ledgered) void this.#accept(flight, call);
    else {
      call.accepted?.(null);
      this.#run(flight);
    }
  }

  #board(flight: Flight, span: number): void {
    this.#count++;
    this.#bytes += flight.body.length + FLIGHT_BYTES;
    if (flight.ledgered) this.#flights.set(keyOf(flight.account, flight.id), flight);
    flight.cancelDeadline = this.#parts.clock.after(Math.max(0, span), () => this.#onDeadline(flight));
  }

  async #accept(flight: Flight, call: InferenceCall): Promise<void> {
    let acceptance: Acceptance;
    try {
      acceptance = await this.#ledger.accept(flight, call.ops ?? []);
    } catch (cause) {
      const error = asGatewayError(cause);
      if (flight.state === 'done') return;
      flight.state = 'running';
      for (const accepted of flight.accepting.splice(0)) accepted(error);
      this.#settlement.finishUnkept(flight, failure(flight.id, error.code, error.message));
      return;
    }
    if (flight.state === 'done') return;
    flight.state = 'running';
    for (const accepted of flight.accepting.splice(0)) accepted(null);
    if (acceptance.state === 'conflict') {
      const { code, message } = conflict(flight.id);
      this.#settlement.finishUnkept(flight, failure(flight.id, code, message));
    } else if (acceptance.state === 'answered') {
      this.counts.repeated++;
      this.#settlement.finishUnkept(flight, fromStored(flight.id, acceptance.answer));
    } else {
      if (acceptance.state === 'open') this.#resume(flight, acceptance.row);
      this.#run(flight);
    }
  }

  /** Takes over a request that was accepted before a crash: its deadline, and where its answer was to go. */
  #resume(flight: Flight, row: OpenRow): void {
    const { now, span } = this.#remaining(row);
    flight.accepted = row.accepted;
    flight.deadline = now + span;
    const address = addressOf((JSON.parse(row.call) as StoredCall).reply);
    if (address && !flight.waiters.some((waiter) => waiter.address?.topic === address.topic))
      flight.waiters.push({ address, done: () => {} });
    flight.cancelDeadline();
    flight.cancelDeadline = this.#parts.clock.after(Math.max(0, span), () => this.#onDeadline(flight));
    flight.late = span <= 0;
  }

  /** A clock that was set back must not make a request wait longer than it was to begin with. */
  #remaining(row: OpenRow): { now: number; span: number } {
    const now = this.#parts.clock.now();
    return { now, span: Math.min(row.deadline - now, row.deadline - row.accepted) };
  }

  #run(flight: Flight): void {
    if (this.#early) {
      this.#early.push(flight);
      return;
    }
    const { clock, inference } = this.#parts;
    const { call, request, account, id } = flight;
    const left = flight.deadline - clock.now();
    if (flight.late || left <= 0) {
      this.#tooLate(flight);
      return;
    }
    if (request.parameters.channel && !flight.admission) {
      void this.#admit(flight, request.parameters.channel);
      return;
    }
    const { sequence, priority } = request.parameters;
    const reference = call.version === undefined ? call.model : `${call.model}@${call.version}`;
    inference
      .infer(reference, {
        inputs: request.inputs,
        ...(request.outputs ? { outputs: request.outputs.map(({ name }) => name) } : {}),
        priority,
        account,
        deadline: left,
        ...(sequence ? { sequence: { ...sequence, id: `${account}/${sequence.id}` } } : {}),
        routeKey: sequence?.id ?? id,
      })
      .then(
        (answer) => this.#onAnswer(flight, answer),
        (error: unknown) => {
          const { code, message } = asGatewayError(error);
          this.#onAnswer(flight, { ok: false, model: undefined, code, message });
        },
      );
  }

  /** Sets room aside on the channel that pays, then runs the request. */
  async #admit(flight: Flight, channel: ChannelParameters): Promise<void> {
    const { account, id, body, call } = flight;
    try {
      const admission = await this.#parts.channels.admit({
        ...{ ...channel, account, model: call.model, bytesIn: body.length },
        ...{ requestId: id, requestHash: hash('sha256', body, 'buffer') },
      });
      flight.admission = admission;
      if (flight.state === 'running') this.#run(flight);
      else admission.release();
    } catch (cause) {
      const { code, message } = asGatewayError(cause);
      this.#settlement.finish(flight, failure(id, code, message));
    }
  }

  #onAnswer(flight: Flight, answer: TensorAnswer): void {
    if (flight.state !== 'running') return;
    this.statistics.note(answer, this.#parts.clock.now());
    if (!answer.ok) {
      this.#settlement.finish(flight, failure(flight.id, answer.code, answer.message));
      return;
    }
    try {
      const { account, id, call, request } = flight;
      const receipt = flight.admission ? undefined : { id, account };
      const encoded = encodeResponse(request, { ...answer, id, receipt });
      const reply = success(id, call.encoding === 'cbor' ? bodyToCbor(encoded) : encoded);
      this.#settlement.finish(flight, reply, answer);
    } catch (cause) {
      const { code, message } = asGatewayError(cause);
      this.#settlement.finish(flight, failure(flight.id, code, message));
    }
  }

  #onDeadline(flight: Flight): void {
    flight.late = true;
    if (flight.state === 'running') this.#tooLate(flight);
    else if (flight.state !== 'done')
      flight.cancelDeadline = this.#parts.clock.after(STORE_GRACE_MS, () =>
        this.#settlement.tellBusy(flight),
      );
  }

  #tooLate(flight: Flight): void {
    const ms = Math.round(flight.deadline - flight.accepted);
    this.#settlement.finish(flight, failure(flight.id, 'DEADLINE', `not answered within ${ms} ms`));
  }

  #onDone(flight: Flight, reply: InferenceReply): void {
    flight.cancelDeadline();
    flight.admission?.release();
    this.#count--;
    this.#bytes -= flight.body.length + FLIGHT_BYTES;
    if (flight.ledgered) this.#flights.delete(keyOf(flight.account, flight.id));
    if (reply.code === undefined) this.counts.answered++;
    else this.counts.failed++;
    if (this.#count === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** Runs what an earlier start accepted and did not answer, and then what came meanwhile. */
  async start(signal: AbortSignal): Promise<void> {
    this.#stopping = false;
    this.#courier.start();
    let after = 0;
    const early = this.#early ?? [];
    this.#early = undefined;
    for (;;) {
      const rows = await this.#ledger.open(after, PAGE);
      signal.throwIfAborted();
      for (const row of rows) if (!this.#flights.has(keyOf(row.account, row.id))) this.#recover(row);
      if (rows.length < PAGE) break;
      after = rows[rows.length - 1]!.seq;
      while (this.#count > PAGE) await new Promise<void>((resolve) => this.#parts.clock.after(20, resolve));
    }
    for (const flight of early) if (flight.state === 'running') this.#run(flight);
    if (this.#courier.owes) void this.#courier.sendOwed();
  }

  #recover(row: OpenRow): void {
    const call = JSON.parse(row.call) as StoredCall;
    const address = addressOf(call.reply);
    const { now, span } = this.#remaining(row);
    const { account, id, body } = row;
    const flight: Flight = {
      ...{ account, id, call, body, request: NO_REQUEST, ledgered: true },
      waiters: address ? [{ address, done: () => {} }] : [],
      accepting: [],
      ...{ accepted: row.accepted, deadline: now + span, begun: this.#parts.clock.monotonic() },
      ...{ state: 'running', late: span <= 0, cancelDeadline: () => {} },
    };
    this.counts.recovered++;
    this.#board(flight, span);
    try {
      flight.request = readRequest(parse({ ...call, body }));
      this.#run(flight);
    } catch (cause) {
      // It could be read when it was taken; a newer gateway may be stricter.
      const { code, message } = asGatewayError(cause);
      this.#settlement.finish(flight, failure(id, code, message));
    }
  }

  /** Takes nothing more; lets what is under way finish. What is not answered then runs again at the next start. */
  async stop(): Promise<void> {
    this.#stopping = true;
    if (this.#count > 0) {
      let cancel = (): void => {};
      const late = new Promise<void>((resolve) => {
        cancel = this.#parts.clock.after(STOP_MS, resolve);
      });
      await Promise.race([new Promise<void>((resolve) => this.#idle.push(resolve)), late]);
      cancel();
    }
    this.#courier.stop();
    for (const flight of this.#flights.values()) this.#settlement.abandon(flight);
    this.#early ??= [];
  }
}

const NO_REQUEST: InferRequest = { inputs: {}, outputs: undefined, parameters: readParameters(undefined) };

function parse(call: Pick<InferenceCall, 'body' | 'headerBytes' | 'encoding'>): ParsedBody {
  return call.encoding === 'cbor' ? bodyFromCbor(call.body) : parseBody(call.body, call.headerBytes);
}

const conflict = (id: string): GatewayError =>
  new GatewayError('REQUEST_CONFLICT', `the id "${id.slice(0, 80)}" was used with another request`);

function callToStore(call: InferenceCall, ownId: boolean, address: ReplyAddress | undefined): StoredCall {
  const { model, version, headerBytes, encoding } = call;
  const reply = storedAddress(address);
  return {
    model,
    ...(version === undefined ? {} : { version }),
    ...(headerBytes === undefined ? {} : { headerBytes }),
    ...(encoding === undefined ? {} : { encoding }),
    ownId,
    ...(reply ? { reply } : {}),
  };
}

/** Where the answer goes. @throws GatewayError REPLY_FORBIDDEN */
function chosenAddress({ reply }: InferenceCall, { parameters }: InferRequest): ReplyAddress | undefined {
  if (!reply) return undefined;
  const { address, correlation } = reply;
  const topic = parameters.replyTo ?? address?.topic;
  if (topic === undefined)
    throw new GatewayError('REPLY_FORBIDDEN', 'the request names no topic for its answer (reply_to)');
  if (topic === address?.topic) return address;
  if (reply.mayUse(topic)) return { topic, ...(correlation ? { correlation } : {}) };
  throw new GatewayError('REPLY_FORBIDDEN', `answers of this client may not go to ${topic.slice(0, 200)}`);
}
