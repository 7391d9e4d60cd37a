import { asError } from '../gateway/errors.ts';
import type { FlowNode, NodeConfig, Red } from '../red.ts';
import { attach, statusOf } from './common/attach.ts';
import { fromPayload } from './common/payload.ts';

/** Whether the gateway is there, as it changes; and all that it tells of itself, at each message. */
export default function register(red: Red): void {
  red.nodes.registerType('aimx-status', function (this: FlowNode, config: NodeConfig) {
    red.nodes.createNode(this, config);
    const attached = attach(red, this, config, true);
    if (!attached) return;
    const { client, line, onClose } = attached;
    let last = '';
    const tell = (state: string, details: object): void => {
      if (state === last) return;
      last = state;
      this.send({ topic: 'aimx/status', payload: state, ...details });
    };
    onClose(
      client.link.subscribe(
        'aimx/status',
        { qos: 1, retained: true },
        {
          message: ({ payload }) => {
            const document = fromPayload(payload);
            const { status, state, ...details } = (
              typeof document === 'object' && document !== null ? document : { state: String(document) }
            ) as Readonly<Record<string, unknown>>;
            const now = String(status ?? state ?? '');
            tell(now, { status: details });
            if (now === 'online') line.good('online');
            else line.bad('offline');
          },
          refused: () => line.bad('forbidden'),
        },
      ),
    );
    onClose(
      client.link.watch((state) => {
        // The will of a gateway is published by an external broker only; the end of the connection says as much.
        if (state === 'waiting') tell('unreachable', { status: {} });
      }),
    );
    this.on('input', (message, send, done) => {
      client.api.get<object>('/api/v1/status').then(
        (status) => {
          message.payload = status;
          send(message);
          done();
        },
        (cause: unknown) => {
          line.bad(statusOf(cause));
          done(asError(cause));
        },
      );
    });
  });
}
