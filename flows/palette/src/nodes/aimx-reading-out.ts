import { asError } from '../gateway/errors.ts';
import { level } from '../gateway/topics.ts';
import type { FlowNode, Message, NodeConfig, Red } from '../red.ts';
import { attach, statusOf } from './common/attach.ts';
import { toPayload } from './common/payload.ts';

interface ReadingOutConfig extends NodeConfig {
  readonly stream: string;
  /** Empty: `msg.device`. */
  readonly device: string;
  readonly qos: string;
  /** Another topic, with `{device}`, such as that of a command; empty: the stream's. */
  readonly topic?: string;
  readonly retain?: boolean;
}

/** Readings out of a flow into the journal of the gateway. A message is done when the gateway has stored it. */
export default function register(red: Red): void {
  red.nodes.registerType('aimx-reading-out', function (this: FlowNode, config: ReadingOutConfig) {
    red.nodes.createNode(this, config);
    const attached = attach(red, this, config, true);
    if (!attached) return;
    const { client, line } = attached;
    const qos = config.qos === '0' ? 0 : config.qos === '2' ? 2 : 1;
    this.on('input', (message, _send, done) => {
      const end = (error?: Error): void => {
        if (error) line.bad(statusOf(error));
        else if (client.link.state === 'connected') line.good();
        done(error);
      };
      try {
        const payload = toPayload(message.payload);
        client.link.publish(
          { topic: topicOf(config, message), payload, qos, retain: config.retain === true },
          end,
        );
      } catch (cause) {
        end(asError(cause));
      }
    });
  });
}

/** @throws RangeError without a stream or a device */
function topicOf({ stream, device, topic }: ReadingOutConfig, message: Message): string {
  const ofDevice = device || (typeof message.device === 'string' ? message.device : '');
  if (topic)
    return topic.includes('{device}') ? topic.replaceAll('{device}', level(ofDevice, 'device')) : topic;
  const toStream = stream || (typeof message.stream === 'string' ? message.stream : '');
  return `aimx/s/${level(toStream, 'stream')}/${level(ofDevice, 'device')}`;
}
