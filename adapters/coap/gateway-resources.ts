import type { StreamConfig } from '../../gateway/config/schema.ts';
import type { Principal } from '../../gateway/ports/access.ts';
import type { ResultFeed } from '../../gateway/ports/results.ts';
import type { Serving } from '../../gateway/ports/serving.ts';
import type { Disposition, Inbound, Intake } from '../../gateway/ports/source.ts';
import { type Authentication, topicOf } from './access.ts';
import { discovery, resultDevices, resultPipelines, type Visible } from './discovery.ts';
import type { Exchange, Request } from './exchange.ts';
import { READING_FORMATS } from './formats.ts';
import { INFERENCE_FORMATS, infer } from './inference.ts';
import { filterLinks, formatLinks, type Link } from './link-format.ts';
import type { OptionSet } from './options.ts';
import { Code, Format } from './protocol.ts';
import { CHANGED, failure, jsonContent, type Response, unavailable } from './response.ts';
import type { Resources } from './server.ts';
import { entityTag } from './snapshots.ts';

export interface GatewayResourcesOptions {
  readonly streams: readonly StreamConfig[];
  readonly intake: Intake;
  readonly results: ResultFeed;
  /** Absent: there is no `/infer`. */
  readonly serving?: Serving | undefined;
  readonly authentication: Authentication;
  readonly access: {
    mayPublish(principal: Principal, topic: string): boolean;
    maySubscribe(principal: Principal, filter: string): boolean;
  };
}

/** Where a path leads. Kept on the options, which equal messages share. */
type Route =
  | { readonly kind: 'readings'; readonly address: string; readonly topic: string }
  | { readonly kind: 'result'; readonly pipeline: string; readonly device: string; readonly topic: string }
  | { readonly kind: 'infer'; readonly model: string; readonly version?: string; readonly topic: string }
  | { readonly kind: 'devices'; readonly pipeline: string }
  | { readonly kind: 'pipelines' }
  | { readonly kind: 'core' }
  | { readonly kind: 'none' };

const NOWHERE: Route = { kind: 'none' };
/** Bytes handed to the intake and not yet committed, above which readings get 5.03. */
const HIGH_WATER = 8 << 20;
/** Seconds for which a result is fresh; observers get it again before that, so silence means loss of contact. */
const RESULT_MAX_AGE = 60;

export const READINGS_COUNTERS = {
  stored: 0,
  rejected: 0,
  unrouted: 0,
  refused: 0,
  unauthorised: 0,
  unsupportedFormat: 0,
  bytes: 0,
};

/** The resources of interfaces "CoAP": readings in, results out, discovery. */
export class GatewayResources implements Resources {
  readonly #options: GatewayResourcesOptions;
  #outstanding = 0;
  readonly counters = { ...READINGS_COUNTERS };

  constructor(options: GatewayResourcesOptions) {
    this.#options = options;
  }

  admit(exchange: Exchange, proceed: () => void): boolean {
    const { authentication } = this.#options;
    const principal = authentication.known(exchange.peer);
    if (principal === undefined) {
      const asked = authentication.ask(exchange.peer, () => {
        if (this.#permit(exchange, authentication.known(exchange.peer) ?? null)) proceed();
      });
      if (!asked) exchange.respond(unavailable('too many requests before the first was authenticated'));
      return false;
    }
    return this.#permit(exchange, principal);
  }

  handle(request: Request): void {
    const route = this.#route(request.options);
    switch (route.kind) {
      case 'readings':
        this.#store(request, route.address);
        return;
      case 'infer': {
        const { serving, authentication } = this.#options;
        const { model, version } = route;
        const target = version === undefined ? { model } : { model, version };
        infer(serving!, request, target, authentication.known(request.peer));
        return;
      }
      case 'result':
        request.respond(this.#result(request, route.pipeline, route.device));
        return;
      case 'devices':
        request.respond(
          links(request, resultDevices(this.#options.results, route.pipeline, this.#visibleTo(request))),
        );
        return;
      case 'pipelines':
        request.respond(links(request, resultPipelines(this.#options.results, this.#visibleTo(request))));
        return;
      case 'core':
        request.respond(links(request, this.#discovery(request)));
        return;
      case 'none':
        request.respond(nothingAt(request.options));
    }
  }

  #discovery(request: Request): Link[] {
    const { streams, results, serving } = this.#options;
    return discovery(streams, results, this.#visibleTo(request), serving !== undefined);
  }

  /** Whether the request may go on; if not, it has been answered. */
  #permit(exchange: Exchange, principal: Principal | null): boolean {
    const refusal = this.#refusal(exchange, principal);
    if (refusal === null) return true;
    exchange.respond(refusal);
    return false;
  }

  #refusal(exchange: Exchange, principal: Principal | null): Response | null {
    const { access } = this.#options;
    const { options, code } = exchange;
    const route = this.#route(options);
    if (principal === null) {
      this.counters.unauthorised += 1;
      return failure(Code.UNAUTHORIZED, 'this gateway wants authentication');
    }
    if (route.kind === 'readings') {
      if (code !== Code.POST && code !== Code.PUT) {
        return failure(Code.METHOD_NOT_ALLOWED, `/${route.address} takes POST and PUT`);
      }
      if (!access.mayPublish(principal, route.topic)) return forbidden(`publish to ${route.topic}`);
      const format = options.contentFormat;
      if (format !== undefined && !READING_FORMATS.has(format)) {
        this.counters.unsupportedFormat += 1;
        return failure(
          Code.UNSUPPORTED_CONTENT_FORMAT,
          `Content-Format ${format} is not taken, but ${[...READING_FORMATS].join(', ')}`,
        );
      }
      return options.ifNoneMatch || options.ifMatch.some((tag) => tag.length > 0)
        ? failure(Code.PRECONDITION_FAILED, 'readings have no versions to match')
        : null;
    }
    if (route.kind === 'infer') return this.#inferRefusal(exchange, principal, route.topic);
    if (route.kind === 'none') return nothingAt(options);
    if (code !== Code.GET) return failure(Code.METHOD_NOT_ALLOWED, `/${options.path} takes GET`);
    // The lists show what the principal may read, and are open themselves.
    if (route.kind === 'result' && !access.maySubscribe(principal, route.topic)) {
      return forbidden(`read ${route.topic}`);
    }
    const offered = route.kind === 'result' ? Format.JSON : Format.LINK;
    return options.accept !== undefined && options.accept !== offered
      ? failure(Code.NOT_ACCEPTABLE, `/${options.path} is available as Content-Format ${offered}`)
      : null;
  }

  #inferRefusal({ options, code }: Exchange, principal: Principal, topic: string): Response | null {
    if (code !== Code.POST) return failure(Code.METHOD_NOT_ALLOWED, `/${options.path} takes POST`);
    if (!this.#options.access.mayPublish(principal, topic)) return forbidden(`publish to ${topic}`);
    const { contentFormat, accept } = options;
    if (contentFormat !== undefined && !INFERENCE_FORMATS.has(contentFormat)) {
      this.counters.unsupportedFormat += 1;
      const taken = [...INFERENCE_FORMATS].join(', ');
      return failure(
        Code.UNSUPPORTED_CONTENT_FORMAT,
        `Content-Format ${contentFormat} is not taken, but ${taken}`,
      );
    }
    const answer = contentFormat === Format.CBOR ? Format.CBOR : Format.JSON;
    return accept !== undefined && accept !== answer && accept !== Format.OCTETS
      ? failure(Code.NOT_ACCEPTABLE, `the answer comes as Content-Format ${answer}`)
      : null;
  }

  #store(request: Request, address: string): void {
    const size = request.payload.length;
    if (this.#outstanding + size > HIGH_WATER) {
      this.counters.refused += 1;
      request.respond(unavailable('the gateway is busy storing readings'));
      return;
    }
    const { contentFormat } = request.options;
    const principal = this.#options.authentication.known(request.peer) ?? undefined;
    const message: { -readonly [K in keyof Inbound]: Inbound[K] } = {
      door: 'coap',
      address,
      payload: request.payload,
    };
    if (contentFormat !== undefined) message.contentFormat = contentFormat;
    if (principal !== undefined) message.principal = principal;
    this.#outstanding += size;
    this.counters.bytes += size;
    this.#options.intake.offer(message, (disposition) => {
      this.#outstanding -= size;
      request.respond(this.#answer(disposition, address));
    });
  }

  #answer(disposition: Disposition, address: string): Response {
    this.counters[disposition.kind] += 1;
    switch (disposition.kind) {
      case 'stored':
        return CHANGED;
      case 'rejected':
        return failure(Code.BAD_REQUEST, disposition.error.message);
      case 'unrouted':
        return failure(Code.NOT_FOUND, `no stream takes readings at /${address}`);
      case 'refused':
        return unavailable(disposition.error.message);
    }
  }

  #result(request: Request, pipeline: string, device: string): Response {
    const json = this.#options.results.latest(pipeline, device);
    if (json === undefined) return failure(Code.NOT_FOUND, `no result of ${pipeline} for ${device} yet`);
    const content = jsonContent(json, {
      maxAge: RESULT_MAX_AGE,
      observable: observableKey(pipeline, device),
    });
    const etag = entityTag(content.payload!);
    const fresh = request.options.etags.some((known) => known.equals(etag));
    return fresh
      ? { code: Code.VALID, etag, maxAge: RESULT_MAX_AGE, observable: content.observable! }
      : { ...content, etag };
  }

  #visibleTo(request: Request): Visible {
    const { access, authentication } = this.#options;
    const principal = authentication.known(request.peer) ?? null;
    return (pipeline, device = '+') =>
      principal !== null && access.maySubscribe(principal, topicOf(`r/${pipeline}/${device}`));
  }

  #route(options: OptionSet): Route {
    if (options.memo === undefined) options.memo = this.#find(options);
    return options.memo as Route;
  }

  #find(options: OptionSet): Route {
    const { path, pathSegments: segments } = options;
    if (path === null) return NOWHERE;
    if (path === '.well-known/core') return { kind: 'core' };
    if (segments[0] === 'r') {
      const [, pipeline, device] = segments;
      const topic = topicOf(path);
      if (pipeline === undefined) return { kind: 'pipelines' };
      if (segments.length === 2) return { kind: 'devices', pipeline };
      if (segments.length === 3 && device !== undefined) return { kind: 'result', pipeline, device, topic };
    }
    if (segments[0] === 'infer' && this.#options.serving && segments[1]) {
      const [, model, version] = segments;
      const topic = topicOf(path);
      if (segments.length === 2) return { kind: 'infer', model, topic };
      if (segments.length === 3 && version) return { kind: 'infer', model, version, topic };
    }
    if (!this.#options.intake.routes('coap', path)) return NOWHERE;
    return { kind: 'readings', address: path, topic: topicOf(path) };
  }
}

/** Name of the observable state behind a result. */
export function observableKey(pipeline: string, device: string): string {
  return `${pipeline}/${device}`;
}

function links(request: Request, all: readonly Link[] | null): Response {
  if (all === null) return nothingAt(request.options);
  const payload = Buffer.from(formatLinks(filterLinks(all, request.options.query)));
  return { code: Code.CONTENT, payload, contentFormat: Format.LINK };
}

function nothingAt(options: OptionSet): Response {
  return failure(Code.NOT_FOUND, `nothing at /${options.path ?? options.pathSegments.join(' / ')}`);
}

function forbidden(what: string): Response {
  return failure(Code.FORBIDDEN, `the access rules do not let you ${what}`);
}
