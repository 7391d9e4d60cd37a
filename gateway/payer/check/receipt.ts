import { keccak, sameBytes, toHex, utf8 } from '../../billing/formats/bytes.ts';
import { canonicalJson } from '../../billing/formats/canonical-json.ts';
import { receiptHash } from '../../billing/formats/documents.ts';
import type { ReceiptEvidence } from '../../billing/formats/wire.ts';
import { ioHash } from '../../billing/metering/measure.ts';
import { type Counted, QUANTITIES, type Quantities, rate, type Tariff } from '../../billing/tariff/tariff.ts';
import { type Refused, refused } from './refusal.ts';

/** Checks a receipt against everything its payer knows. Pure. */

/** Where a channel stands: its newest receipt that was checked. */
export interface Standing {
  readonly channelId: Uint8Array;
  readonly seq: number;
  readonly cumulative: bigint;
  readonly hash: Uint8Array;
  /** What was used under a tariff whose prices depend on it. */
  readonly counted: { readonly tariff: string; readonly counted: Counted } | undefined;
  /** The highest ceiling signed. */
  readonly ceiling: bigint;
}

/** The payer's own request that a receipt should be for. */
export interface OwnRequest {
  /** `name` or `name@version`, as it was asked for. */
  readonly model: string;
  readonly sha: Uint8Array;
  readonly bytes: number;
  /** Absent while there is no answer; `elapsedMs` where it was measured with a clock that is never set. */
  readonly answer?: {
    readonly sha: Uint8Array;
    readonly bytes: number;
    readonly elapsedMs: number | undefined;
  };
  /** Code of the error that was its answer. */
  readonly failed: string | undefined;
  /** Whether an earlier receipt was for it. */
  readonly billed: boolean;
}

export interface CheckContext {
  readonly separator: Uint8Array;
  readonly standing: Standing;
  /** By hash; undefined: the owner has not accepted it. */
  readonly tariff: Tariff | undefined;
  /** Undefined: the payer knows of no such request. */
  readonly own: OwnRequest | undefined;
  /** Whether receipts for requests that others made are taken, with their hashes unchecked. */
  readonly takeUnknown: boolean;
}

export interface Accepted {
  readonly kind: 'accepted';
  /** Where the channel stands after this receipt. */
  readonly seq: number;
  readonly cumulative: bigint;
  readonly hash: Uint8Array;
  readonly counted: Standing['counted'];
}

/** What is true so far, but the answer has not come: ask for it again. */
export interface Waits {
  readonly kind: 'waits';
}

/** Two machines measure the same time a little differently. */
const CLOCK_SLACK_MS = 1000;
/** As the gateway has it: a use that was let in before its rate ended may begin a little later. */
const RATE_GRACE_MS = 300_000;

export function checkReceipt(evidence: ReceiptEvidence, context: CheckContext): Accepted | Refused | Waits {
  const { receipt } = evidence;
  const { standing, tariff } = context;
  const linked = checkLink(evidence, standing);
  if (linked) return linked;
  const hash = receiptHash(context.separator, receipt);
  if (!sameBytes(hash, evidence.hash))
    return refused('hash', `receipt ${receipt.seq} has the hash ${toHex(hash)}, not the one stated`);
  if (!tariff) return refused('tariff', `the tariff ${toHex(receipt.tariffHash)} was not accepted`);
  if (!sameBytes(keccak(utf8(canonicalJson(evidence.model))), receipt.modelHash))
    return refused('model', 'the model is not that of the receipt');
  const rated = checkUsage(evidence, tariff, standing);
  if ('kind' in rated) return rated;
  const requested = checkRequest(evidence, context);
  if (requested) return requested;
  return {
    kind: 'accepted',
    seq: receipt.seq,
    cumulative: receipt.cumulative,
    hash,
    // A tariff without counts leaves those of another one as they are, as the gateway does.
    counted: rated.after ? { tariff: toHex(tariff.counting.hash), counted: rated.after } : standing.counted,
  };
}

function checkLink({ receipt }: ReceiptEvidence, standing: Standing): Refused | undefined {
  const { seq, cumulative, amount } = receipt;
  if (!sameBytes(receipt.channelId, standing.channelId))
    return refused('chain', 'the receipt is of another channel');
  if (seq !== standing.seq + 1) return refused('chain', `receipt ${seq} does not follow on ${standing.seq}`);
  if (!sameBytes(receipt.prevHash, standing.hash))
    return refused('chain', `receipt ${seq} has another predecessor than receipt ${standing.seq}`);
  if (cumulative !== standing.cumulative + amount)
    return refused('chain', `the total of receipt ${seq} does not add up`);
  if (cumulative > standing.ceiling)
    return refused('ceiling', `receipt ${seq} is above the highest ceiling signed`);
  return undefined;
}

const NAMES: ReadonlySet<string> = new Set<string>([...QUANTITIES, 'before']);

/** Recomputes the amount from what was used, on top of what the payer itself has counted. */
function checkUsage(
  { receipt, usage }: ReceiptEvidence,
  tariff: Tariff,
  standing: Standing,
): { readonly after?: Counted } | Refused {
  let text: string;
  try {
    text = canonicalJson(usage);
  } catch {
    return refused('usage', 'the usage cannot be hashed');
  }
  if (!sameBytes(keccak(utf8(text)), receipt.usageHash))
    return refused('usage', 'the usage is not that of the receipt');
  const { before, ...used } = usage;
  for (const [name, quantity] of Object.entries(usage))
    if (!NAMES.has(name) || (name !== 'before' && !isQuantity(quantity)))
      return refused('usage', `the usage has ${name}: ${String(quantity).slice(0, 40)}`);
  if ((used.compute_us ?? 0) !== receipt.computeUs)
    return refused('usage', 'the compute time is not that of the usage');
  const own = standing.counted?.tariff === toHex(tariff.counting.hash) ? standing.counted.counted : undefined;
  if (!hasRate(tariff, receipt.startedAtMs)) return refused('tariff', 'the rate of the tariff had expired');
  const rated = rate(tariff, own, used as Quantities, receipt.startedAtMs);
  if (before === undefined ? rated.before !== undefined : rated.before === undefined)
    return refused('usage', 'the usage says what was used before where it should not, or the reverse');
  if (before !== undefined && canonicalJson(before) !== canonicalJson(rated.before))
    return refused('usage', 'the usage does not count on from the receipts before');
  if (rated.amount !== receipt.amount)
    return refused('amount', `the tariff asks for ${rated.amount}, the receipt for ${receipt.amount}`);
  return rated.after ? { after: rated.after } : {};
}

/** Whether prices in a currency can be turned into AIMX: the gateway's grace is a few minutes. */
function hasRate({ currency, exchange }: Tariff, startedAtMs: number): boolean {
  return (
    currency === undefined || (exchange !== undefined && startedAtMs <= exchange.validUntil + RATE_GRACE_MS)
  );
}

const isQuantity = (value: unknown): boolean =>
  typeof value === 'number' && Number.isSafeInteger(value) && value > 0;

/** That the receipt is for a request of ours, with our bytes, and was billed once. */
function checkRequest(
  evidence: ReceiptEvidence,
  { own, takeUnknown }: CheckContext,
): Refused | Waits | undefined {
  const { receipt, salt, requestHash, answerHash, model, usage } = evidence;
  if (!sameBytes(ioHash(salt, requestHash, answerHash), receipt.ioHash))
    return refused('answer', 'request and answer are not those of the receipt');
  const id = JSON.stringify(receipt.requestId);
  if (!own) {
    if (takeUnknown) return undefined;
    return refused('request', `there was no request ${id}`);
  }
  if (own.failed !== undefined)
    return refused('request', `request ${id} was answered with the error ${own.failed}`);
  if (own.billed) return refused('request', `request ${id} was billed before`);
  if (!sameBytes(own.sha, requestHash)) return refused('answer', `request ${id} was another one`);
  const [name, version] = own.model.split('@');
  if (model.name !== name || (version !== undefined && version !== model.version))
    return refused('model', `${model.name}@${model.version} answered where ${own.model} was asked`);
  if (usage.inference !== 1) return refused('usage', `request ${id} was one inference`);
  if ((usage.byte_in ?? 0) !== own.bytes)
    return refused('usage', `request ${id} had ${own.bytes} bytes, not ${usage.byte_in ?? 0}`);
  if (!own.answer) return { kind: 'waits' };
  if (!sameBytes(own.answer.sha, answerHash))
    return refused('answer', `the answer to request ${id} was another one`);
  if ((usage.byte_out ?? 0) !== own.answer.bytes)
    return refused('usage', `the answer to ${id} had ${own.answer.bytes} bytes, not ${usage.byte_out ?? 0}`);
  const { elapsedMs } = own.answer;
  if (elapsedMs !== undefined && receipt.computeUs > (elapsedMs + CLOCK_SLACK_MS) * 1000)
    return refused('usage', `computing took longer than request ${id} in all`);
  return undefined;
}
