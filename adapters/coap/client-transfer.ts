import { randomBytes } from 'node:crypto';
import { GatewayError } from '../../gateway/errors.ts';
import { blockSize, MAX_SZX } from './block.ts';
import { type ClientRequest, type ClientResponse, toMessage, toResponse } from './client-request.ts';
import type { Message } from './message.ts';
import type { RawOption } from './options.ts';
import { Code } from './protocol.ts';

type Send = (options: readonly RawOption[], payload: Uint8Array) => Promise<Message>;

/** Largest response body that is put together. */
const MAX_BODY = 8 << 20;
/** How often a response that changes while it is fetched is begun anew. */
const MAX_RESTARTS = 3;
const EMPTY = Buffer.alloc(0);

/** Sends a request block by block where it must, and gathers the response (RFC 7959). */
export async function transferBody(
  request: ClientRequest,
  size: number,
  send: Send,
  first?: Message,
): Promise<ClientResponse> {
  const szx = Math.max(0, Math.min(MAX_SZX, Math.floor(Math.log2(size)) - 4));
  let answer = first ?? (await upload(request, szx, send));
  for (let restart = 0; ; restart += 1) {
    const body = await download(request, answer, send);
    if (body !== undefined) return body;
    if (restart === MAX_RESTARTS) {
      throw new GatewayError('COAP_PROTOCOL', 'the response keeps changing while it is fetched');
    }
    answer = await send(toMessage(request), EMPTY);
  }
}

/** RFC 7959 §2.5. The server may ask for smaller blocks in its first answer. */
async function upload(request: ClientRequest, preferred: number, send: Send): Promise<Message> {
  const payload = request.payload ?? EMPTY;
  let szx = preferred;
  if (payload.length <= blockSize(szx)) return send(toMessage(request), payload);
  const requestTag = randomBytes(4);
  for (let offset = 0; ; ) {
    const size = blockSize(szx);
    const end = Math.min(offset + size, payload.length);
    const more = end < payload.length;
    const block1 = { num: offset / size, more, szx };
    const parts = offset === 0 ? { block1, requestTag, size1: payload.length } : { block1, requestTag };
    const answer = await send(toMessage(request, parts), payload.subarray(offset, end));
    const echoed = answer.options.block1;
    if (answer.code === Code.REQUEST_ENTITY_TOO_LARGE && offset === 0 && echoed && echoed.szx < szx) {
      szx = echoed.szx;
      continue;
    }
    if (!more || answer.code !== Code.CONTINUE) return answer;
    if (echoed?.num !== block1.num) {
      throw new GatewayError('COAP_PROTOCOL', 'the server acknowledged another block than the one sent');
    }
    offset = end;
    // What has been sent counts; the rest goes on in smaller blocks (RFC 7959 §2.3, Figure 9).
    szx = Math.min(szx, echoed.szx);
  }
}

/** RFC 7959 §2.4. Undefined when the representation has changed on the way. */
async function download(
  request: ClientRequest,
  first: Message,
  send: Send,
): Promise<ClientResponse | undefined> {
  const block = first.options.block2;
  if (block === undefined || !block.more || block.num !== 0) return toResponse(first);
  const etag = first.options.etags[0];
  const { szx } = block;
  const parts = [first.payload];
  let length = first.payload.length;
  for (let more = true; more; ) {
    const num = length / blockSize(szx);
    const next = await send(toMessage(request, { block2: { num, more: false, szx } }), EMPTY);
    const got = next.options.block2;
    if (next.code !== first.code) return toResponse(next);
    if (got === undefined || got.num !== num || got.szx !== szx) {
      throw new GatewayError('COAP_PROTOCOL', `asked for block ${num}, got ${got?.num ?? 'none'}`);
    }
    const tag = next.options.etags[0];
    if (etag !== undefined && tag !== undefined && !tag.equals(etag)) return undefined;
    parts.push(next.payload);
    length += next.payload.length;
    more = got.more;
    if (length > MAX_BODY || (more && next.payload.length !== blockSize(szx))) {
      throw new GatewayError('COAP_PROTOCOL', `a response of ${length} bytes or more in odd blocks`);
    }
  }
  return toResponse(first, Buffer.concat(parts));
}
