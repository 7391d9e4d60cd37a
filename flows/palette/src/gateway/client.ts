import { FeedReader, type FeedRequest } from './feed.ts';
import { HttpApi } from './http-api.ts';
import { inferOverHttp, ModelCatalog, MqttInference } from './inference.ts';
import { MqttLink } from './mqtt-link.ts';
import type { Answered, InferRequest } from './oip.ts';

export interface ClientOptions {
  readonly mqttUrl: string;
  readonly httpUrl: string;
  readonly clientId: string;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly token?: string | undefined;
  readonly tls?: object | undefined;
}

/** All that goes to and comes from one gateway: one MQTT connection, a few HTTP connections, shared by all nodes. */
export class GatewayClient {
  readonly link: MqttLink;
  readonly api: HttpApi;
  readonly models: ModelCatalog;
  readonly #inference: MqttInference;
  readonly #feeds = new Set<FeedReader>();

  /** @throws TypeError when an address is none */
  constructor(options: ClientOptions) {
    const { mqttUrl, httpUrl, token, tls } = options;
    if (!/^(?:mqtts?|wss?):\/\/[^/]/.test(mqttUrl))
      throw new TypeError(`${mqttUrl} is no mqtt, mqtts, ws or wss address`);
    this.api = new HttpApi({ url: httpUrl, token, tls });
    this.link = new MqttLink({ ...options, url: mqttUrl });
    this.models = new ModelCatalog(this.api);
    this.#inference = new MqttInference(this.link, options.clientId);
  }

  infer(request: InferRequest, over: 'mqtt' | 'http', answered: Answered): void {
    if (over === 'mqtt') this.#inference.infer(request, answered);
    else void inferOverHttp(this.api, request, answered);
  }

  /** Follows a journal of the gateway until the returned function is called. */
  follow(request: FeedRequest): () => void {
    const reader = new FeedReader(this.api, request);
    this.#feeds.add(reader);
    reader.start();
    return () => {
      reader.stop();
      this.#feeds.delete(reader);
    };
  }

  /** Idempotent. */
  async close(): Promise<void> {
    for (const feed of this.#feeds) feed.stop();
    this.#feeds.clear();
    this.#inference.close();
    await this.link.close();
    this.api.close();
  }
}
