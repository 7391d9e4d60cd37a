import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { GatewayError } from '../errors.ts';
import type { AccessControl, Principal } from '../ports/access.ts';
import type { Disposition, Intake } from '../ports/source.ts';
import { callerOf, foreignOrigin, type HttpAccess, namesThisMachine } from './auth.ts';

export interface ReadingRoutesParts {
  readonly intake: Intake;
  /** Who devices are and what they may publish: the same rules as over MQTT. */
  readonly access: HttpAccess & Pick<AccessControl, 'authenticate' | 'mayPublish'>;
  readonly maxBodyBytes: number;
}

/** Media types that say how a payload is written, as CoAP Content-Formats; others leave it to the stream. */
const FORMATS: ReadonlyMap<string, number> = new Map([
  ['text/plain', 0],
  ['application/octet-stream', 42],
  ['application/json', 50],
  ['application/cbor', 60],
  ['application/senml+json', 110],
  ['application/senml+cbor', 112],
]);

/** Bytes of bodies that wait for the journal beyond which senders are asked to come again. */
const HIGH_WATER = 32 * 1024 * 1024;

type Params = { readonly stream: string; readonly device: string };

/**
 * `POST|PUT /s/<stream>/<device>`: one payload, as over MQTT and CoAP. 204 once the journal has it, 400 for what was put
 * aside as rejected, 503 for what must be sent again. Devices give their name and secret as HTTP Basic credentials.
 */
export async function readingRoutes(app: FastifyInstance, parts: ReadingRoutesParts): Promise<void> {
  const { intake, maxBodyBytes } = parts;
  const principals = new WeakMap<FastifyRequest, Principal>();
  let outstanding = 0;

  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: maxBodyBytes }, (_request, body, done) =>
    done(null, body),
  );
  // Before the body is read, so that strangers cannot fill memory.
  app.addHook('onRequest', async (request, reply) => {
    const { stream, device } = request.params as Params;
    const principal = await principalOf(request, reply, parts.access);
    const topic = `aimx/s/${stream}/${device}`;
    if (principal.name !== ADMIN && !parts.access.mayPublish(principal, topic))
      throw new GatewayError('FORBIDDEN', `${principal.name} may not publish ${topic}`, {
        fix: 'Send under the name of the device itself, or as an integrator.',
      });
    principals.set(request, principal);
  });
  app.route({
    method: ['POST', 'PUT'],
    url: '/:stream/:device',
    handler: async (request, reply) => {
      const { stream, device } = request.params as Params;
      const payload = Buffer.isBuffer(request.body) ? request.body : new Uint8Array(0);
      if (outstanding > HIGH_WATER) throw new GatewayError('STORE_BUSY', 'too much waits for the journal');
      const [type = ''] = (request.headers['content-type'] ?? '').split(';', 1);
      const contentFormat = FORMATS.get(type.trim().toLowerCase());
      outstanding += payload.length;
      const disposition = await new Promise<Disposition>((resolve) =>
        intake.offer(
          {
            door: 'http',
            address: `s/${stream}/${device}`,
            payload,
            principal: principals.get(request)!,
            ...(contentFormat === undefined ? {} : { contentFormat }),
          },
          resolve,
        ),
      ).finally(() => {
        outstanding -= payload.length;
      });
      return answer(reply, disposition, stream);
    },
  });
}

function answer(reply: FastifyReply, disposition: Disposition, stream: string): FastifyReply {
  switch (disposition.kind) {
    case 'stored':
      return reply.code(204).send();
    case 'rejected':
      return reply.code(400).send({ error: disposition.error });
    case 'unrouted':
      throw new GatewayError('NOT_FOUND', `there is no stream ${stream}`, {
        fix: 'Name a stream of gateway.yaml: /s/<stream>/<device>.',
      });
    case 'refused':
      return reply.code(503).header('retry-after', '1').send({ error: disposition.error });
  }
}

/** Stands for whoever has an admin's token. */
const ADMIN = 'admin token';

async function principalOf(
  request: FastifyRequest,
  reply: FastifyReply,
  access: ReadingRoutesParts['access'],
): Promise<Principal> {
  const { authorization, host } = request.headers;
  const clientId = `http-${request.ip}`;
  if (/^Bearer /i.test(authorization ?? '')) {
    await callerOf(request, access, true);
    return { name: ADMIN, anonymous: false, clientId };
  }
  const basic = /^Basic +([A-Za-z0-9+/]+={0,2})$/i.exec(authorization ?? '')?.[1];
  const text = basic === undefined ? undefined : Buffer.from(basic, 'base64').toString('utf8');
  const colon = text?.indexOf(':') ?? -1;
  // A page of another site may not send readings in the name of whoever looks at it.
  const local = basic !== undefined || (namesThisMachine(host) && !foreignOrigin(request.headers));
  const principal = local
    ? await access.authenticate({
        clientId,
        peer: request.ip,
        ...(text === undefined || colon < 0
          ? {}
          : { username: text.slice(0, colon), password: Buffer.from(text.slice(colon + 1)) }),
      })
    : null;
  if (principal) return principal;
  reply.header('www-authenticate', 'Basic realm="aimx", charset="UTF-8"');
  throw new GatewayError('UNAUTHORIZED', 'this needs the name and secret of a device', {
    fix: 'Send them as HTTP Basic credentials; `aimx-gateway devices add NAME` makes them.',
  });
}
