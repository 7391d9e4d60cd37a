import { randomBytes } from 'node:crypto';
import { connectAsync, type MqttClient } from 'mqtt';
import type { LinkAnswer, LinkNews, LinkReply, PayerLink } from '../../gateway/ports/payer-link.ts';

export interface MqttLinkOptions {
  /** `mqtt://`, `mqtts://`, `ws://` or `wss://`. */
  readonly url: string;
  readonly username?: string;
  readonly password?: string;
  /** Answers go to `aimx/reply/<client id>`: a payer that comes back as the same client gets what it missed. */
  readonly clientId?: string;
  readonly timeoutMs?: number;
}

const RECONNECT_MS = 1000;
const TIMEOUT_MS = 30_000;
const NEWS = /^aimx\/channel\/(0x[0-9a-f]{64})\/(state|head)$/;

/** A gateway over its MQTT door. Nothing is connected before the first use; lost connections come back by themselves. */
export function createMqttLink(options: MqttLinkOptions): PayerLink {
  const { url, username, password, timeoutMs = TIMEOUT_MS } = options;
  const clientId = options.clientId ?? `aimx-payer-${randomBytes(6).toString('hex')}`;
  const replies = `aimx/reply/${clientId}`;
  const waiting = new Map<string, (reply: LinkReply) => void>();
  let onNews: (news: LinkNews) => void = () => {};
  let connecting: Promise<MqttClient> | undefined;

  /** Ceilings and acknowledgements that the gateway finds false come back to the client's own topic. */
  const tellRefusal = (document: unknown): void => {
    if (typeof document !== 'object' || document === null) return;
    const { channel, kind, error } = document as Record<string, unknown>;
    if (typeof channel !== 'string' || typeof error !== 'object' || error === null) return;
    const { code, message } = error as { code?: unknown; message?: unknown };
    onNews({ kind: 'refused', channel, reason: `${String(kind)}: ${String(code)}, ${String(message)}` });
  };

  const onMessage = (topic: string, payload: Buffer): void => {
    if (topic === replies) {
      const reply = readReply(payload);
      if (reply) waiting.get(reply.id)?.(reply.reply);
      else tellRefusal(parse(payload));
      return;
    }
    const [, channel, kind] = NEWS.exec(topic) ?? [];
    const document = parse(payload);
    if (channel !== undefined && document !== undefined)
      onNews({ kind: kind as 'state' | 'head', channel, document });
  };

  const connected = (): Promise<MqttClient> => {
    connecting ??= (async () => {
      const client = await connectAsync(
        url,
        {
          ...{ clientId, clean: false, protocolVersion: 4, reconnectPeriod: RECONNECT_MS },
          connectTimeout: timeoutMs,
          ...(username === undefined ? {} : { username }),
          ...(password === undefined ? {} : { password }),
        },
        false,
      );
      client.on('message', onMessage);
      // Connections that fail are tried again after the period.
      client.on('error', () => undefined);
      await client.subscribeAsync(replies, { qos: 1 });
      return client;
    })();
    connecting.catch(() => {
      connecting = undefined;
    });
    return connecting;
  };

  /** Publishes with QoS 1; true once the gateway has acknowledged it. */
  const publish = async (topic: string, payload: Uint8Array): Promise<LinkAnswer<null>> => {
    try {
      const client = await connected();
      await within(timeoutMs, client.publishAsync(topic, Buffer.from(payload), { qos: 1 }));
      return { ok: true, value: null };
    } catch (error) {
      return unreachable(error instanceof Error ? error.message : String(error));
    }
  };

  return {
    target: url,
    async infer(model, id, body, signal) {
      const [name, version] = model.split('@');
      const topic = `aimx/infer/${name}${version ? `/${version}` : ''}`;
      let timer: NodeJS.Timeout | undefined;
      const answer = new Promise<LinkAnswer<LinkReply>>((resolve) => {
        waiting.set(id, (value) => resolve({ ok: true, value }));
        timer = setTimeout(() => resolve(unreachable('no answer in time')), timeoutMs);
        signal.addEventListener('abort', () => resolve(unreachable('stopped')), { once: true });
      });
      const published = await publish(topic, body);
      const result = published.ok ? await answer : published;
      clearTimeout(timer);
      waiting.delete(id);
      return result;
    },
    deliver: (channel, kind, document) =>
      publish(`aimx/channel/${channel}/${kind}`, Buffer.from(JSON.stringify(document))),
    async listen(channels, listener) {
      onNews = listener;
      try {
        const client = await connected();
        const topics = channels.flatMap((id) => [`aimx/channel/${id}/state`, `aimx/channel/${id}/head`]);
        if (topics.length > 0) await client.subscribeAsync(topics, { qos: 1 });
        return { ok: true, value: null };
      } catch (error) {
        return unreachable(error instanceof Error ? error.message : String(error));
      }
    },
    async close() {
      const client = await connecting?.catch(() => undefined);
      await client?.endAsync(true);
    },
  };
}

const unreachable = (reason: string): LinkAnswer<never> => ({ ok: false, kind: 'unreachable', reason });

function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('the broker does not acknowledge')), ms);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

function parse(payload: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(payload).toString('utf8'));
  } catch {
    return undefined; // not JSON, so none of ours
  }
}

/** An answer is JSON, with binary tensors behind the brace that closes it where such were asked for. */
function readReply(payload: Buffer): { readonly id: string; readonly reply: LinkReply } | undefined {
  const document = parse(payload);
  if (typeof document !== 'object' || document === null) return undefined;
  const { id, error } = document as { id?: unknown; error?: { code?: unknown; message?: unknown } };
  if (typeof id !== 'string') return undefined;
  const body = new Uint8Array(payload);
  if (!error) return { id, reply: { body } };
  return {
    id,
    reply: { body, error: { code: String(error.code), message: String(error.message ?? error.code) } },
  };
}
