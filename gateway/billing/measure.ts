import { hash } from 'node:crypto';
import type { Usage } from '../ports/meter.ts';
import { keccak, utf8 } from './bytes.ts';
import { canonicalJson } from './canonical-json.ts';
import type { Quantities } from './tariff.ts';

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
    model: canonicalJson({
      name: use.model.name,
      sha256: use.model.sha256,
      version: use.model.version,
    }),
    used: {
      inference: 1,
      compute_us: whole(use.computeUs),
      byte_in: whole(use.bytesIn),
      byte_out: whole(use.bytesOut),
    },
    startedAt: whole(use.startedAt),
    computeUs: whole(use.computeUs),
  };
}

/**
 * Many uses as one, per model, in order of first appearance. Quantities add up; the id names the first and the last and
 * commits to all ids in order; request and answer hashes commit to all of theirs.
 */
export function coalesce(uses: readonly Measured[]): Measured[] {
  const groups = new Map<string, Measured[]>();
  for (const use of uses) {
    const group = groups.get(use.model);
    if (group) group.push(use);
    else groups.set(use.model, [use]);
  }
  return [...groups.values()].map((group) => (group.length === 1 ? group[0]! : merge(group)));
}

function merge(group: readonly Measured[]): Measured {
  const sum = (of: (use: Measured) => number | undefined): number =>
    group.reduce((total, use) => total + (of(use) ?? 0), 0);
  const first = group[0]!;
  const last = group[group.length - 1]!;
  const ids = sha256(group.map((use) => use.requestId).join('\n')).subarray(0, 16);
  return {
    requestId: `${first.requestId}…${last.requestId}#${Buffer.from(ids).toString('hex')}`,
    requestSha: hash('sha256', Buffer.concat(group.map((use) => use.requestSha)), 'buffer'),
    answerSha: hash('sha256', Buffer.concat(group.map((use) => use.answerSha)), 'buffer'),
    model: first.model,
    used: {
      inference: sum((use) => use.used.inference),
      compute_us: sum((use) => use.used.compute_us),
      byte_in: sum((use) => use.used.byte_in),
      byte_out: sum((use) => use.used.byte_out),
    },
    startedAt: Math.min(...group.map((use) => use.startedAt)),
    computeUs: sum((use) => use.computeUs),
  };
}

/** Canonical text of quantities, zeros left out: the preimage of `usageHash`. */
export function usageText(used: Quantities): string {
  return canonicalJson(Object.fromEntries(Object.entries(used).filter(([, quantity]) => quantity !== 0)));
}

/** Salt of one receipt: known only to who has the book's secret, and disclosed receipt by receipt. */
export const ioSalt = (bookSalt: Uint8Array, requestId: string): Uint8Array =>
  hash('sha256', Buffer.concat([bookSalt, utf8(requestId)]), 'buffer');

/** Salted commitment to request and answer. */
export const ioHash = (salt: Uint8Array, requestSha: Uint8Array, answerSha: Uint8Array): Uint8Array =>
  keccak(salt, requestSha, answerSha);

const whole = (value: number): number => Math.max(0, Math.round(Number.isFinite(value) ? value : 0));
