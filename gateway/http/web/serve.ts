import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { loadWeb } from './web.ts';

/** Addresses hold a hash of what they answer. */
const FOR_EVER = 'public, max-age=31536000, immutable';

/** Serves the dashboard at `/` and its files below `/web/`; open to all, it holds no data. */
export function serveWeb(app: FastifyInstance): void {
  const web = loadWeb();
  app.get('/', (_request, reply: FastifyReply) =>
    reply
      .headers({ 'content-security-policy': web.csp, 'cache-control': 'no-cache' })
      .type('text/html; charset=utf-8')
      .send(web.html),
  );
  for (const [address, file] of web.files) {
    app.get(address, async (request: FastifyRequest, reply: FastifyReply) => {
      reply.headers({ 'cache-control': FOR_EVER, vary: 'accept-encoding' }).type(file.type);
      if (!/\bgzip\b/.test(request.headers['accept-encoding'] ?? '')) return reply.send(file.text);
      return reply.header('content-encoding', 'gzip').send(await file.gzipped());
    });
  }
}
