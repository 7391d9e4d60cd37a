import { asError, GatewayProblem } from '../gateway/errors.ts';
import type { FlowNode, Red } from '../red.ts';
import { clientOf, type GatewayConfig, type GatewayNode, Sharing } from './common/gateway-node.ts';
import { lists, type Query } from './common/lists.ts';

/** The gateway that other nodes use: addresses, credentials, one shared connection. */
export default function register(red: Red): void {
  red.nodes.registerType(
    'aimx-gateway',
    function (this: FlowNode, config: GatewayConfig) {
      red.nodes.createNode(this, config);
      const sharing = new Sharing(() => clientOf(red, config, this.credentials));
      Object.assign(this, { sharing, mqtt: config.mqtt, http: config.http });
      this.on('close', (_removed, done) => {
        void sharing.close().finally(done);
      });
    },
    {
      credentials: {
        user: { type: 'text' },
        password: { type: 'password' },
        token: { type: 'password' },
      },
    },
  );
  red.httpAdmin.post('/aimx-gateway/lists', red.auth.needsPermission('flows.write'), (request, response) => {
    answer(red, request.body)
      .then((body) => response.json(body))
      .catch((cause: unknown) => {
        const { message } = asError(cause);
        response.status(502).json({ code: cause instanceof GatewayProblem ? cause.code : 'FAILED', message });
      });
  });
}

/** What a dialog asks for; `mqtt` and `http` as they stand in a configuration that is not deployed yet. */
interface ListRequest extends Query {
  readonly gateway?: string;
  readonly mqtt?: string;
  readonly http?: string;
  readonly token?: string;
}

/**
 * Answers a dialog through the gateway's own interface. A token that is kept here goes to the address it was deployed
 * with and to no other that an editor names.
 */
async function answer(red: Red, body: unknown): Promise<unknown> {
  const { gateway = '', mqtt, http, token, ...query } = (body ?? {}) as ListRequest;
  const node = red.nodes.getNode(gateway) as (GatewayNode & GatewayConfig) | null;
  const deployed = node?.sharing && (http === undefined || http === node.http) ? node : undefined;
  const user = `dialog ${Math.random()}`;
  if (deployed && !token) {
    try {
      return await lists(deployed.sharing.join(user).api, query);
    } finally {
      await deployed.sharing.leave(user);
    }
  }
  if (http === undefined) throw new GatewayProblem('NOT_DEPLOYED', 'there is no such gateway');
  const config = { id: '', type: '', mqtt: mqtt ?? '', http };
  const client = clientOf(red, config, token ? { token } : undefined);
  try {
    return await lists(client.api, query);
  } finally {
    await client.close();
  }
}
