import type { GatewayError } from '../errors.ts';
import type { AccessControl, Principal } from '../ports/access.ts';
import type { InferenceCall, ReplyRoute, Serving } from '../ports/serving.ts';
import type { Disposition, Inbound, Intake } from '../ports/source.ts';
import { type ChannelTopics, isChannelTopic } from './channel-topics.ts';

const PREFIX = 'aimx/infer/';
const OWN = 'aimx/';
const REPLY = 'aimx/reply/';

export interface MqttRequestsParts {
  /** Takes everything that is no inference request. */
  readonly intake: Intake;
  readonly access: Pick<AccessControl, 'maySubscribe'>;
  /** Asked for with the first request: doors are made before what works behind them. */
  readonly serving: () => Serving;
  readonly channels: () => Pick<ChannelTopics, 'offer'>;
  /** Filters of topics to which answers for clients without a principal (of an external broker) may go. */
  readonly replyTopics: readonly string[];
}

/** Clients of another broker are known to that broker only. */
const UNKNOWN = 'consumer/broker';
const STORED: Disposition = { kind: 'stored', readings: 0 };

/**
 * The intake of the MQTT doors: requests on `aimx/infer/<model>[/<version>]` go to the models, everything else on to the
 * readings. With QoS ≥ 1 a request is acknowledged once the ledger has it.
 */
export class MqttRequests implements Intake {
  readonly #parts: MqttRequestsParts;
  readonly #replyTopics: readonly (readonly string[])[];

  constructor(parts: MqttRequestsParts) {
    this.#parts = parts;
    this.#replyTopics = parts.replyTopics.map((filter) => filter.split('/'));
  }

  routes(door: string, address: string): boolean {
    return (
      isRequest(door, address) || isChannelTopic(door, address) || this.#parts.intake.routes(door, address)
    );
  }

  offer<M extends Inbound>(message: M, done: (disposition: Disposition, message: M) => void): void {
    if (isRequest(message.door, message.address)) this.#request(message, done);
    else if (isChannelTopic(message.door, message.address)) this.#parts.channels().offer(message, done);
    else this.#parts.intake.offer(message, done);
  }

  #request<M extends Inbound>(message: M, done: (disposition: Disposition, message: M) => void): void {
    const { address, payload, principal, properties, qos, ops } = message;
    const rest = address.slice(PREFIX.length);
    const slash = rest.indexOf('/');
    const version = slash < 0 ? undefined : rest.slice(slash + 1);
    const call: InferenceCall = {
      model: slash < 0 ? rest : rest.slice(0, slash),
      ...(version === undefined ? {} : { version }),
      // The door uses its buffer again.
      body: new Uint8Array(payload),
      ...(properties?.contentType === 'application/cbor' ? { encoding: 'cbor' as const } : {}),
      account: principal ? `consumer/${principal.name}` : UNKNOWN,
      durable: qos !== 0,
      ...(ops ? { ops } : {}),
      accepted: (error: GatewayError | null) => done(error ? { kind: 'refused', error } : STORED, message),
      reply: this.#route(principal, properties),
    };
    this.#parts.serving().infer(call, () => {});
  }

  /** The client's own topic, or the one of the request if the client may read there. */
  #route(principal: Principal | undefined, properties: Inbound['properties']): ReplyRoute {
    const mayUse = (topic: string): boolean => this.#mayUse(principal, topic);
    const { correlation, responseTopic } = properties ?? {};
    const own = principal?.clientId === undefined ? undefined : `${REPLY}${principal.clientId}`;
    const topic = responseTopic !== undefined && mayUse(responseTopic) ? responseTopic : own;
    const extra = correlation ? { correlation: new Uint8Array(correlation) } : {};
    return {
      address: topic !== undefined && isPlain(topic) ? { topic, ...extra } : undefined,
      ...extra,
      mayUse,
    };
  }

  /** Answers go where the client itself may subscribe, and never to topics that are the gateway's own. */
  #mayUse(principal: Principal | undefined, topic: string): boolean {
    if (!isPlain(topic) || (topic.startsWith(OWN) && !topic.startsWith(REPLY))) return false;
    if (principal) return this.#parts.access.maySubscribe(principal, topic);
    const levels = topic.split('/');
    return this.#replyTopics.some((filter) => matches(filter, levels));
  }
}

const isRequest = (door: string, address: string): boolean => door === 'mqtt' && address.startsWith(PREFIX);

function matches(filter: readonly string[], topic: readonly string[]): boolean {
  for (let i = 0; ; i++) {
    if (filter[i] === '#') return true;
    if (filter[i] === undefined || topic[i] === undefined) return filter[i] === topic[i];
    if (filter[i] !== '+' && filter[i] !== topic[i]) return false;
  }
}

/** A topic that can be published to: no wildcards, nothing of the broker's own. */
const isPlain = (topic: string): boolean =>
  topic !== '' && topic.length <= 1024 && !topic.startsWith('$') && !/[+#\0]/.test(topic);
