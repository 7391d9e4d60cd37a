import { onTestFinished } from 'vitest';
import type { Request } from '../../../adapters/coap/exchange.ts';
import { filterLinks, formatLinks, type Link } from '../../../adapters/coap/link-format.ts';
import { Code } from '../../../adapters/coap/protocol.ts';
import { failure, type Response } from '../../../adapters/coap/response.ts';
import { Server } from '../../../adapters/coap/server.ts';
import { entityTag } from '../../../adapters/coap/snapshots.ts';
import type { Clock } from '../../../gateway/ports/clock.ts';
import { systemClock } from '../../../gateway/system/clock.ts';
import { recordingLog } from '../../support/log.ts';

export const LARGE = Array.from(
  { length: 80 },
  (_, i) => `line ${String(i).padStart(3, '0')} of a large one\n`,
).join('');

const LINKS: Link[] = [
  { href: '/test', attributes: { rt: 'Type1 Type2', if: 'If1', ct: 0 } },
  { href: '/obs', attributes: { rt: 'Type2', obs: true, ct: 0 } },
  { href: '/large', attributes: { rt: ['Type1', 'Type3'], if: 'foo', sz: LARGE.length, ct: 0 } },
  { href: '/path', attributes: { ct: 40 } },
  { href: '/path/sub1', attributes: { if: 'If2' } },
];

interface State {
  content: Buffer;
  format: number;
}

/** The resources that the ETSI/IETF plugtest descriptions ask of a server, on the protocol layers of the door. */
export async function openPlugtestServer(clock: Clock = systemClock()) {
  const states = new Map<string, State>([
    ['test', { content: Buffer.from('test'), format: 0 }],
    ['seg1/seg2/seg3', { content: Buffer.from('deep'), format: 0 }],
    ['validate', { content: Buffer.from('version 1'), format: 0 }],
    ['large', { content: Buffer.from(LARGE), format: 0 }],
    ['large-update', { content: Buffer.from('small'), format: 0 }],
    ['obs', { content: Buffer.from('0'), format: 0 }],
  ]);
  let created = 0;
  const held: (() => void)[] = [];

  const content = (path: string, state: State, extra: Partial<Response> = {}): Response => ({
    code: Code.CONTENT,
    payload: state.content,
    contentFormat: state.format,
    etag: entityTag(state.content),
    observable: path,
    ...extra,
  });

  const get = (request: Request, path: string): Response => {
    const { options } = request;
    if (path === '.well-known/core') {
      const payload = Buffer.from(formatLinks(filterLinks(LINKS, options.query)));
      return { code: Code.CONTENT, payload, contentFormat: 40 };
    }
    if (path === 'query')
      return { code: Code.CONTENT, payload: Buffer.from(options.query.join('&')), contentFormat: 0 };
    if (path === 'multi-format') {
      if (options.accept === undefined || options.accept === 0) {
        return { code: Code.CONTENT, payload: Buffer.from('text'), contentFormat: 0 };
      }
      if (options.accept !== 41) return failure(Code.NOT_ACCEPTABLE, '0 or 41');
      return { code: Code.CONTENT, payload: Buffer.from('<xml/>'), contentFormat: 41 };
    }
    const state = states.get(path);
    if (state === undefined) return failure(Code.NOT_FOUND, path);
    const etag = entityTag(state.content);
    if (options.etags.some((known) => known.equals(etag)))
      return { code: Code.VALID, etag, observable: path };
    return content(path, state);
  };

  const write = (request: Request, path: string): Response => {
    const { options } = request;
    const before = states.get(path);
    if (options.ifNoneMatch && before !== undefined) return { code: Code.PRECONDITION_FAILED };
    if (options.ifMatch.length > 0) {
      const current = before === undefined ? undefined : entityTag(before.content);
      const met = options.ifMatch.some(
        (tag) => current !== undefined && (tag.length === 0 || tag.equals(current)),
      );
      if (!met) return { code: Code.PRECONDITION_FAILED };
    }
    const state = { content: Buffer.from(request.payload), format: options.contentFormat ?? 0 };
    if (request.code === Code.POST && path === 'large-post') {
      return { code: Code.CHANGED, payload: Buffer.from(LARGE), contentFormat: 0 };
    }
    if (request.code === Code.POST && ['test', 'location-path', 'large-create'].includes(path)) {
      created += 1;
      states.set(`${path}/${created}`, state);
      return { code: Code.CREATED, locationPath: [path, String(created)] };
    }
    if (path === 'location-query') return { code: Code.CREATED, locationQuery: ['first=1', 'second=2'] };
    states.set(path, state);
    server.observers.changed(path);
    return { code: before === undefined ? Code.CREATED : Code.CHANGED };
  };

  const server = new Server({
    resources: {
      admit: () => true,
      handle(request) {
        const path = request.options.path ?? '';
        if (path === 'separate') {
          const state = { content: Buffer.from('late'), format: 0 };
          held.push(() =>
            request.respond(request.code === Code.GET ? content(path, state) : { code: Code.CHANGED }),
          );
        } else if (request.code === Code.GET) request.respond(get(request, path));
        else if (request.code === Code.DELETE) {
          states.delete(path);
          request.respond({ code: Code.DELETED });
          server.observers.changed(path);
        } else request.respond(write(request, path));
      },
    },
    clock,
    log: recordingLog(),
    random: Math.random,
    maxPeers: 100,
    maxObservers: 100,
    maxBody: 64 << 10,
    maxObserversPerPeer: 10,
  });
  await server.start('127.0.0.1', 0, new AbortController().signal);
  onTestFinished(() => {
    for (const release of held.splice(0)) release();
    return server.stop();
  });
  return {
    server,
    states,
    port: server.endpoint.address!.port,
    held,
    /** Changes a resource from within, as a sensor would. */
    set(path: string, text: string, format = 0) {
      states.set(path, { content: Buffer.from(text), format });
      server.observers.changed(path);
    },
    remove(path: string) {
      states.delete(path);
      server.observers.changed(path);
    },
  };
}
