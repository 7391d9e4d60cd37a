import { GatewayError } from '../../../errors.ts';
import type { EventName } from '../schemas/events.ts';

/** What a client wants to be told of. */
export interface Topic {
  readonly kind: 'status' | 'alarms' | 'readings' | 'results';
  /** Stream or pipeline. */
  readonly id: string;
  /** Only this device. */
  readonly device: string | undefined;
}

export interface LiveEvent {
  readonly name: EventName;
  readonly data: unknown;
}

/** Collects what happens on one topic while somebody listens. */
export interface LiveChannel {
  /** What has happened since it was last asked. */
  collect(): LiveEvent[] | Promise<LiveEvent[]>;
  close(): void;
}

/** Where events come from; the composition root provides it. */
export interface LiveSource {
  /** @throws GatewayError NOT_FOUND, when there is no such stream or pipeline */
  open(topic: Topic): LiveChannel;
}

const MAX_TOPICS = 16;
const KINDS: ReadonlySet<string> = new Set(['status', 'alarms', 'readings', 'results']);

/** `status,readings:STREAM:DEVICE` by their texts. @throws GatewayError HTTP_REQUEST */
export function parseTopics(text: string): Map<string, Topic> {
  const topics = new Map<string, Topic>();
  for (const word of text.split(',').map((one) => one.trim())) {
    const [kind = '', id = '', ...device] = word.split(':');
    const named = kind === 'readings' || kind === 'results';
    if (!KINDS.has(kind) || named !== (id !== '') || (!named && device.length > 0))
      throw new GatewayError('HTTP_REQUEST', 'query.topics: there is no such topic', {
        received: word.slice(0, 200),
        expected: 'status, alarms, readings:STREAM[:DEVICE] or results:PIPELINE[:DEVICE]',
      });
    topics.set(word, {
      kind: kind as Topic['kind'],
      id,
      device: device.length === 0 ? undefined : device.join(':'),
    });
  }
  if (topics.size > MAX_TOPICS)
    throw new GatewayError('HTTP_REQUEST', 'query.topics: too many', {
      received: topics.size,
      expected: `at most ${MAX_TOPICS}`,
    });
  return topics;
}
