import { asError, GatewayProblem } from './errors.ts';
import { type HttpApi, problem } from './http-api.ts';
import type { MqttLink } from './mqtt-link.ts';
import {
  type Answered,
  answerOf,
  type InferRequest,
  type ModelMetadata,
  readAnswer,
  requestBody,
} from './oip.ts';
import { level } from './topics.ts';

/** Beyond the deadline, for the way there and back. */
const GRACE_MS = 1500;
/** How long what a model is like is believed. */
const METADATA_MS = 60_000;
const MAX_METADATA = 200;
/** Tells where the JSON of a body ends. */
const HEADER_LENGTH = 'inference-header-content-length';

const pathOf = (model: string, version: string): string =>
  `/v2/models/${encodeURIComponent(model)}${version === '' ? '' : `/versions/${encodeURIComponent(version)}`}`;

/** After a failure it is asked again, but not for each of many failures. */
const SUSPECT_MS = 2000;

/** What models are like, asked for once a minute, and when something failed: another version may be live. */
export class ModelCatalog {
  readonly #api: HttpApi;
  readonly #known = new Map<string, { at: number; metadata: Promise<ModelMetadata> }>();

  constructor(api: HttpApi) {
    this.#api = api;
  }

  /** @throws GatewayProblem */
  metadata(model: string, version: string): Promise<ModelMetadata> {
    const path = pathOf(model, version);
    const known = this.#known.get(path);
    if (known && Date.now() - known.at < METADATA_MS) return known.metadata;
    const metadata = this.#api.get<ModelMetadata>(path);
    if (this.#known.size >= MAX_METADATA) this.#known.clear();
    this.#known.set(path, { at: Date.now(), metadata });
    metadata.catch(() => this.#known.delete(path));
    return metadata;
  }

  /** A request failed that was made by what is known of the model. */
  suspect(model: string, version: string): void {
    const path = pathOf(model, version);
    const known = this.#known.get(path);
    if (known && Date.now() - known.at > SUSPECT_MS) this.#known.delete(path);
  }
}

/** Asks over HTTP. */
export async function inferOverHttp(api: HttpApi, request: InferRequest, answered: Answered): Promise<void> {
  try {
    const path = `${pathOf(request.model, request.version)}/infer`;
    const { body: sent, headerBytes } = requestBody(request);
    const { status, body } = await api.call(path, {
      method: 'POST',
      body: sent,
      headers:
        headerBytes === undefined
          ? { 'content-type': 'application/json' }
          : { 'content-type': 'application/octet-stream', [HEADER_LENGTH]: String(headerBytes) },
      timeoutMs: request.deadlineMs + GRACE_MS,
    });
    const text = readAnswer(body);
    if (status !== 200) throw problem(status, text, path);
    answered(null, answerOf(text));
  } catch (cause) {
    answered(asError(cause));
  }
}

interface Open {
  readonly topic: string;
  readonly payload: Buffer;
  readonly answered: Answered;
  readonly timer: NodeJS.Timeout;
  /** The gateway has it: the answer may have been lost with a connection. */
  acknowledged: boolean;
  takeBack: () => void;
}

/**
 * Asks over MQTT: one reply topic for all nodes of a connection, answers find their request by its id. A request that
 * was not answered when the connection ended is published again with the same id, which the gateway answers once.
 */
export class MqttInference {
  readonly #link: MqttLink;
  readonly #topic: string;
  readonly #open = new Map<string, Open>();
  #leave: (() => void) | undefined;
  #unwatch: (() => void) | undefined;

  constructor(link: MqttLink, clientId: string) {
    this.#link = link;
    this.#topic = `aimx/reply/${clientId}`;
  }

  infer(request: InferRequest, answered: Answered): void {
    try {
      this.#infer(request, answered);
    } catch (cause) {
      answered(asError(cause));
    }
  }

  #infer(request: InferRequest, answered: Answered): void {
    const { id, model, version, deadlineMs } = request;
    if (this.#open.has(id)) throw new GatewayProblem('ID_USED', `a request with the id ${id} is under way`);
    this.#listen();
    const topic = `aimx/infer/${level(model, 'model')}${version === '' ? '' : `/${level(version, 'version')}`}`;
    const { body: payload } = requestBody(request, { reply_to: this.#topic });
    const end: Answered = (error, answer) => {
      const open = this.#open.get(id);
      if (!open) return;
      this.#open.delete(id);
      clearTimeout(open.timer);
      open.takeBack();
      answered(error, answer);
    };
    const timer = setTimeout(
      () => end(new GatewayProblem('DEADLINE', `no answer in ${deadlineMs} ms`)),
      deadlineMs + GRACE_MS,
    );
    const open: Open = { topic, payload, answered: end, timer, acknowledged: false, takeBack: () => {} };
    this.#open.set(id, open);
    this.#send(open);
  }

  #send(open: Open): void {
    const { topic, payload, answered } = open;
    open.acknowledged = false;
    try {
      open.takeBack = this.#link.publish({ topic, payload, qos: 1, retain: false }, (error) => {
        if (error) answered(error);
        else open.acknowledged = true;
      });
    } catch (cause) {
      answered(asError(cause));
    }
  }

  #listen(): void {
    this.#unwatch ??= this.#link.watch((state) => {
      if (state === 'connected')
        for (const open of [...this.#open.values()]) if (open.acknowledged) this.#send(open);
    });
    this.#leave ??= this.#link.subscribe(
      this.#topic,
      { qos: 1 },
      {
        message: ({ payload }) => this.#reply(payload),
        refused: () => {
          for (const { answered } of [...this.#open.values()])
            answered(new GatewayProblem('REPLY_FORBIDDEN', `this client may not read ${this.#topic}`));
        },
      },
    );
  }

  #reply(payload: Buffer): void {
    let text: ReturnType<typeof readAnswer>;
    try {
      text = readAnswer(payload);
    } catch {
      // Not of the gateway: the request is still open and ends at its deadline.
      return;
    }
    const open = this.#open.get(String(text.id));
    if (!open) return;
    try {
      open.answered(null, answerOf(text));
    } catch (cause) {
      open.answered(asError(cause));
    }
  }

  close(): void {
    this.#leave?.();
    this.#unwatch?.();
    for (const { answered } of [...this.#open.values()])
      answered(new GatewayProblem('CLOSED', 'the flow was stopped'));
  }
}
