import { hash } from 'node:crypto';
import type { Usage, UsageBlock } from '../../ports/meter.ts';
import { keccak, utf8 } from '../formats/bytes.ts';
import { canonicalJson } from '../formats/canonical-json.ts';
import type { Counted, Quantities } from '../tariff/tariff.ts';
import { joinedSha256 } from './joined-hash.ts';

/** A use reduced to what its receipt needs; request and answer survive as hashes only. */
export interface Measured {
  readonly requestId: string;
  readonly requestSha: Uint8Array;
  readonly answerSha: Uint8Array;
  /** Canonical JSON of {name, sha256, version}: the preimage of `modelHash`. */
  readonly model: string;
  readonly used: Quantities;
  readonly startedAt: number;
  readonly computeUs: number;
}

const sha256 = (text: string): Uint8Array => hash('sha256', text, 'buffer');

export function measure(use: Usage): Measured {
  return {
    requestId: use.requestId,
    requestSha: sha256(use.request),
    answerSha: sha256(use.answer),
    model: modelText(use.model),
    used:
      use.rentS === undefined
        ? {
            inference: 1,
            compute_us: whole(use.computeUs),
            byte_in: whole(use.bytesIn),
            byte_out: whole(use.bytesOut),
          }
        : { rent_s: whole(use.rentS) },
    startedAt: whole(use.startedAt),
    computeUs: whole(use.computeUs),
  };
}

/** Many uses of one model that share a receipt. */
export interface SharedUse extends Omit<Measured, 'requestSha' | 'answerSha' | 'requestId'> {
  readonly first: string;
  readonly last: string;
  /** Over the ids, requests and answers of all, in order, each list as one text. */
  readonly idsSha: Uint8Array;
  readonly requestsSha: Uint8Array;
  readonly answersSha: Uint8Array;
}

/** Stands between JSON texts in one text, and in none of them (RFC 7464). */
const SEPARATOR = '\u001e';

/**
 * Puts uses together, per model in order of first appearance. Quantities add up. Texts are hashed here and not in the
 * writer thread: to hand them over costs more than to hash them.
 */
export function share(uses: readonly Usage[]): SharedUse[] {
  return [...Map.groupBy(uses, (use) => modelText(use.model))].map(([model, group]) => {
    const used = { inference: 0, compute_us: 0, byte_in: 0, byte_out: 0, rent_s: 0 };
    let startedAt = Number.POSITIVE_INFINITY;
    for (const use of group) {
      if (use.rentS === undefined) used.inference++;
      else used.rent_s += whole(use.rentS);
      used.compute_us += whole(use.computeUs);
      used.byte_in += whole(use.bytesIn);
      used.byte_out += whole(use.bytesOut);
      startedAt = Math.min(startedAt, whole(use.startedAt));
    }
    const { length } = group;
    return {
      first: group[0]!.requestId,
      last: group[length - 1]!.requestId,
      idsSha: joinedSha256(length, '\n', (index) => group[index]!.requestId),
      requestsSha: joinedSha256(length, SEPARATOR, (index) => group[index]!.request),
      answersSha: joinedSha256(length, SEPARATOR, (index) => group[index]!.answer),
      model,
      used,
      startedAt,
      computeUs: used.compute_us,
    };
  });
}

/** The same of a block, whose texts lie joined already. */
export function shareBlock(block: UsageBlock): SharedUse {
  const { model, count, startedAt, ids, requests, answers } = block;
  const computeUs = whole(block.computeUs);
  return {
    first: block.requestId(0),
    last: block.requestId(count - 1),
    idsSha: hash('sha256', ids, 'buffer'),
    requestsSha: hash('sha256', requests, 'buffer'),
    answersSha: hash('sha256', answers, 'buffer'),
    model: modelText(model),
    used: {
      inference: count,
      compute_us: computeUs,
      byte_in: whole(block.bytesIn),
      byte_out: whole(block.bytesOut),
      rent_s: 0,
    },
    startedAt: whole(startedAt),
    computeUs,
  };
}

/** The id names the first and the last use and commits to all ids in order; the hashes are over all requests and answers. */
export function measureShared({
  first,
  last,
  idsSha,
  requestsSha,
  answersSha,
  ...rest
}: SharedUse): Measured {
  return {
    ...rest,
    requestId: `${first}…${last}#${Buffer.from(idsSha.subarray(0, 16)).toString('hex')}`,
    requestSha: requestsSha,
    answerSha: answersSha,
  };
}

const modelTexts = new WeakMap<Usage['model'], string>();

/** Canonical JSON of what names a model; made once per object that names it. */
function modelText(model: Usage['model']): string {
  let text = modelTexts.get(model);
  if (text === undefined) {
    text = canonicalJson({ name: model.name, sha256: model.sha256, version: model.version });
    modelTexts.set(model, text);
  }
  return text;
}

/**
 * Canonical text of quantities, zeros left out: the preimage of `usageHash`. Where the price depends on what was used
 * before, that stands with it under `before`, so that a receipt can be checked by itself.
 */
export function usageText(used: Quantities, before?: Counted): string {
  const quantities = Object.fromEntries(Object.entries(used).filter(([, quantity]) => quantity !== 0));
  return canonicalJson(before ? { ...quantities, before } : quantities);
}

/** Reads the preimage of `usageHash`. Throws a SyntaxError or TypeError when it is none. */
export function parseUsage(text: string): { readonly used: Quantities; readonly before?: Counted } {
  const { before, ...used } = JSON.parse(text) as Quantities & { before?: Counted };
  return before ? { used, before } : { used };
}

/** Salt of one receipt: known only to who has the book's secret, and disclosed receipt by receipt. */
export const ioSalt = (bookSalt: Uint8Array, requestId: string): Uint8Array =>
  hash('sha256', Buffer.concat([bookSalt, utf8(requestId)]), 'buffer');

/** Salted commitment to request and answer. */
export const ioHash = (salt: Uint8Array, requestSha: Uint8Array, answerSha: Uint8Array): Uint8Array =>
  keccak(salt, requestSha, answerSha);

const whole = (value: number): number => Math.max(0, Math.round(Number.isFinite(value) ? value : 0));
