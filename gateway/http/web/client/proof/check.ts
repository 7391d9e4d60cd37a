import { canonicalJson, fromHex, hashOfText, keccak, toHex } from './bytes.ts';
import {
  batchDigest,
  batchHead,
  channelId,
  headDigest,
  leafOf,
  merkleRoot,
  type Receipt,
  receiptHash,
  separatorOf,
  type Terms,
} from './documents.ts';
import { recoverAddress } from './recover.ts';

/** The parts of a proof (format aimx-receipt-proof/1) that are checked here. */
interface Proof {
  readonly format: string;
  readonly ledger: { readonly chainId: number; readonly address: string };
  readonly device: string;
  readonly channel: string;
  readonly tariff: string;
  readonly prevHash: string;
  readonly io: { readonly salt: string; readonly request: string; readonly answer: string };
  readonly receipts: readonly Receipt[];
  readonly signature: string | null;
  readonly batch: {
    readonly prevHead: string;
    readonly toSeq: number;
    readonly total: string;
    readonly proof: readonly string[];
    readonly head: string;
    readonly signature: string;
  } | null;
}

export type StepName = 'form' | 'channel' | 'content' | 'chain' | 'head' | 'merkle' | 'batch';

/** One thing that was looked at. `missing`: it cannot be known yet, because nothing was signed or posted. */
export interface Step {
  readonly name: StepName;
  readonly state: 'ok' | 'wrong' | 'missing';
  /** What came out: a hash or an address. */
  readonly value: string;
}

export interface Checked {
  readonly verdict: 'valid' | 'invalid' | 'incomplete';
  readonly steps: readonly Step[];
  readonly receiptHash: string;
  readonly head: string | null;
  readonly siblings: number;
  readonly ledger: Proof['ledger'];
}

const FORMAT = 'aimx-receipt-proof/1';
const ZERO = `0x${'0'.repeat(64)}`;

/**
 * Checks a proof with nothing but its text: that its parts hash to each other up to what the device has signed. That
 * the ledger has the batch is for whoever asks the chain; that the amount follows from the tariff, for
 * `receipts verify`. Throws for a text that is no proof at all.
 */
export function checkProof(text: string): Checked {
  const proof = JSON.parse(text) as Proof;
  const steps: Step[] = [];
  const step = (name: StepName, right: boolean | null, value: string): void => {
    steps.push({ name, state: right === null ? 'missing' : right ? 'ok' : 'wrong', value });
  };
  step('form', `${canonicalJson(proof)}\n` === text && proof.format === FORMAT, FORMAT);

  const separator = separatorOf(proof.ledger);
  const terms = JSON.parse(proof.channel) as Terms;
  const channel = channelId(separator, terms);
  step('channel', terms.device === proof.device && canonicalJson(terms) === proof.channel, toHex(channel));

  const first = proof.receipts[0]!;
  const { salt, request, answer } = proof.io;
  const io = toHex(keccak(fromHex(salt), fromHex(request), fromHex(answer)));
  step('content', io === first.ioHash && toHex(hashOfText(proof.tariff)) === first.tariffHash, io);

  const { hashes, linked } = linkedHashes(separator, channel, proof);
  const own = hashes[0]!;
  step('chain', linked, toHex(own));

  const last = proof.receipts.at(-1)!;
  const signer =
    proof.signature === null
      ? null
      : recoverAddress(
          headDigest(separator, [channel, last.seq, hashes.at(-1)!, last.cumulative]),
          proof.signature,
        );
  step('head', proof.signature === null ? null : signer === proof.device, signer ?? '');

  const { batch } = proof;
  const root = batch && merkleRoot(leafOf([channel, first.seq, own, first.cumulative]), batch.proof);
  const head = batch && root && batchHead(batch.prevHead, root, batch.toSeq, batch.total);
  step('merkle', batch === null ? null : toHex(head!) === batch.head, root ? toHex(root) : '');
  const poster = batch && head && recoverAddress(batchDigest(separator, head), batch.signature);
  step('batch', batch === null ? null : poster === proof.device, poster ?? '');

  const states = steps.map(({ state }) => state);
  return {
    verdict: states.includes('wrong') ? 'invalid' : states.includes('missing') ? 'incomplete' : 'valid',
    steps,
    receiptHash: toHex(own),
    head: head ? toHex(head) : null,
    siblings: batch?.proof.length ?? 0,
    ledger: proof.ledger,
  };
}

/** Hashes of the receipts, and whether each follows on the one before. */
function linkedHashes(
  separator: Uint8Array,
  channel: Uint8Array,
  { receipts, prevHash }: Proof,
): { hashes: Uint8Array[]; linked: boolean } {
  const hashes: Uint8Array[] = [];
  let linked = receipts[0]?.seq !== 1 || prevHash === ZERO;
  let before = fromHex(prevHash);
  for (const [i, receipt] of receipts.entries()) {
    const earlier = receipts[i - 1];
    if (
      earlier &&
      (receipt.seq !== earlier.seq + 1 ||
        BigInt(receipt.cumulative) !== BigInt(earlier.cumulative) + BigInt(receipt.amount))
    )
      linked = false;
    before = receiptHash(separator, channel, before, receipt);
    hashes.push(before);
  }
  return { hashes, linked };
}
