import type { Chain, ChainAnswer, ChainView, PostFields, PostTerms, Signer } from '../../ports/chain.ts';
import type { AcknowledgedRow, PayoutAction } from '../../ports/channel-ledger.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Transaction } from '../../store/types.ts';
import type { BookKey } from '../book-rows.ts';
import { toHex } from '../formats/bytes.ts';
import { batchDigest, batchHead, separatorOf } from '../formats/documents.ts';
import type { BatchRow, Drift, InFlight, Outbox, RangeRow, SealArgs, SignedArgs } from './outbox-ops.ts';
import type { PayoutRow } from './payout-ops.ts';
import type { Payable, Payouts } from './payouts.ts';
import { nextStep, type PosterRules, type PosterStep, type PosterView } from './poster-rules.ts';
import { buildTree } from './tree-builder.ts';

/** The part of the store that the poster needs. */
export interface BillingStore {
  commit(transaction: Transaction): Promise<unknown[]>;
  query<T>(name: string, args?: unknown): Promise<T>;
}

export interface PosterParts {
  readonly store: BillingStore;
  readonly chain: Chain;
  readonly signer: Signer;
  readonly book: BookKey;
  readonly clock: Clock;
  readonly rules: PosterRules;
  /** Absent: no channels with customers. */
  readonly payouts?: Payouts | undefined;
}

/** How a round ended. */
export type Round =
  | {
      readonly kind: 'settled';
      readonly view: ChainView;
      readonly drift: readonly Drift[];
      sent: readonly Uint8Array[];
    }
  | {
      readonly kind: 'stopped';
      readonly reason: 'unknown-head' | 'receipts-gone' | 'fee-cap' | 'fee-budget';
      readonly view: ChainView;
    }
  | { readonly kind: 'unavailable'; readonly code: string; readonly reason: string };

/** More steps than any honest round takes (seal, sign, broadcast, once more after a nonce was used up). */
const MAX_STEPS = 12;

/**
 * Posts batches exactly once. A round looks at the chain's head, brings the outbox in line with it and takes the steps
 * that {@link nextStep} names; every step is stored before the world can see it. A round that is cut short anywhere is
 * simply followed by the next one.
 */
export class Poster {
  readonly #parts: PosterParts;
  /** Transactions this process handed over, by hash: first and last time (monotonic). Holds one nonce's worth. */
  readonly #handed = new Map<string, { sentAt: number; repeatedAt: number }>();
  #handedNonce = -1;
  #postedAt: number | undefined;
  #lastToSeq = -1;
  #asked: 'post' | 'settle' | undefined;

  constructor(parts: PosterParts) {
    this.#parts = parts;
  }

  /** Posts what there is, or also collects what is due, in the next rounds: fees count against no share then, only against their cap. */
  ask(what: 'post' | 'settle'): void {
    this.#asked = what;
  }

  /** Never rejects for reasons of the chain; rejects when the store does. */
  async round(): Promise<Round> {
    const { chain, store, book } = this.#parts;
    let drift: readonly Drift[] = [];
    const sent: Uint8Array[] = [];
    for (let step = 0; step < MAX_STEPS; step++) {
      const answer = await chain.view(book.device);
      if (!answer.ok) return { kind: 'unavailable', code: answer.code, reason: answer.reason };
      const view = answer.value;
      this.#notice(view);
      const asked = {
        book,
        head: view.head.head,
        finalHead: view.finalHead?.head ?? null,
        toSeq: view.head.toSeq,
        nonce: view.nonce,
      };
      const outbox = await store.query<Outbox | null>('billing.outbox', asked);
      const payable = await this.#parts.payouts?.look(view);
      if (!outbox) return { kind: 'settled', view, drift, sent };
      if (outbox.drift.length > 0) {
        const [changes] = await store.commit({ ops: [{ op: 'billing.reconcile', args: asked }] });
        drift = [...drift, ...(changes as readonly Drift[])];
      }
      await this.#noteBlocks(outbox.unnoted);
      const paying = payable?.inFlight && pays(payable.inFlight, outbox.inFlight);
      const next: PosterStep = paying
        ? { do: 'rest' }
        : nextStep(this.#view(view, outbox, payable), this.#parts.rules);
      if (next.do === 'rest') {
        // One transaction at a time: a batch that is under way goes first.
        const idle = paying || outbox.inFlight === null;
        const step = idle ? await this.#parts.payouts?.step(view, this.#asked === 'settle') : undefined;
        if (step?.kind === 'again') continue;
        if (step?.kind === 'unavailable') return step;
        if (step?.kind === 'stopped') return { ...step, view };
        if (step?.kind === 'sent') sent.push(step.hash);
        else if (idle && outbox.receipts <= view.head.toSeq) this.#asked = undefined;
        return { kind: 'settled', view, drift, sent };
      }
      if (next.do === 'stop') return { kind: 'stopped', reason: next.reason, view };
      if (next.do === 'seal') await this.#seal(view, next);
      else if (next.do === 'sign') await this.#sign(next, payable);
      else {
        const handed = await this.#broadcast(next.tx);
        if (handed.ok) sent.push(next.tx.hash);
        else if (handed.code !== 'nonce' && handed.code !== 'underpriced')
          return { kind: 'unavailable', code: handed.code, reason: handed.reason };
      }
    }
    return { kind: 'unavailable', code: 'unreachable', reason: 'the chain keeps changing its answers' };
  }

  #view(chain: ChainView, outbox: Outbox, payable: Payable | undefined): PosterView {
    const { clock } = this.#parts;
    const handed = outbox.inFlight ? this.#handed.get(toHex(outbox.inFlight.hash)) : undefined;
    const memory = { sentAt: handed?.sentAt, repeatedAt: handed?.repeatedAt, postedAt: this.#postedAt };
    return {
      chain,
      outbox,
      memory,
      now: clock.now(),
      monotonic: clock.monotonic(),
      ...(payable ? { payable } : {}),
      asked: this.#asked !== undefined,
    };
  }

  #notice(view: ChainView): void {
    if (this.#lastToSeq >= 0 && view.head.toSeq > this.#lastToSeq)
      this.#postedAt = this.#parts.clock.monotonic();
    this.#lastToSeq = view.head.toSeq;
    if (view.nonce !== this.#handedNonce) {
      this.#handed.clear();
      this.#handedNonce = view.nonce;
    }
  }

  async #seal(view: ChainView, step: { from: number; to: number }): Promise<void> {
    const { store, book, clock, signer } = this.#parts;
    const rows = await store.query<RangeRow[]>('billing.range', { book, from: step.from, to: step.to });
    const tree = await buildTree(rows);
    const total = rows.reduce((sum, row) => sum + BigInt(row.amount), view.head.total);
    const post = { prevHead: view.head.head, root: tree.root, toSeq: step.to, total };
    const head = batchHead(post);
    const args: SealArgs = {
      book,
      from: step.from,
      to: step.to,
      total: String(total),
      ...tree,
      prevHead: post.prevHead,
      head,
      signature: signer.sign(batchDigest(separatorOf(book), head)),
      now: clock.now(),
    };
    await store.commit({ ops: [{ op: 'billing.seal', args }] });
  }

  async #sign(step: Extract<PosterStep, { do: 'sign' }>, payable: Payable | undefined): Promise<void> {
    const { store, clock } = this.#parts;
    const { batch, nonce, maxFee, tip } = step;
    const post = {
      prevHead: batch.prev_head,
      root: batch.root,
      toSeq: batch.to_ordinal,
      total: BigInt(batch.total),
    };
    const { raw, hash } = await this.#signed(batch, post, { nonce, maxFee, tip }, payable?.rows ?? []);
    const args: SignedArgs = {
      batch: batch.id,
      hash,
      raw,
      nonce,
      maxFee: String(maxFee),
      tip: String(tip),
      now: clock.now(),
    };
    await store.commit({ ops: [{ op: 'billing.signed', args }] });
  }

  /** The post, together with what payers have acknowledged where the ledger takes that. */
  async #signed(
    batch: BatchRow,
    post: PostFields,
    terms: PostTerms,
    rows: readonly AcknowledgedRow[],
  ): Promise<{ raw: Uint8Array; hash: Uint8Array }> {
    const { chain, signer, payouts, book } = this.#parts;
    if (rows.length > 0 && payouts && chain.channels) {
      const { device } = book;
      const action: PayoutAction = {
        kind: 'post-and-settle',
        device,
        post,
        signature: batch.signature,
        rows,
      };
      const refused = await payouts.refusal(action);
      if (refused.ok && refused.value === null) return chain.channels.sign(action, terms, signer);
    }
    return chain.signPost(post, terms, signer);
  }

  async #broadcast(tx: InFlight): Promise<ChainAnswer<'sent' | 'known'>> {
    const { store, chain, clock } = this.#parts;
    const answer = await chain.broadcast(tx.raw);
    const key = toHex(tx.hash);
    const at = clock.monotonic();
    if (answer.ok) {
      this.#handed.set(key, { sentAt: this.#handed.get(key)?.sentAt ?? at, repeatedAt: at });
      if (tx.sent_at === null)
        await store.commit({ ops: [{ op: 'billing.sent', args: { hash: tx.hash, now: clock.now() } }] });
    } else if (answer.code === 'underpriced') {
      // Something with this nonce pays as much: replace it in the next step, as if it had waited long enough.
      this.#handed.set(key, { sentAt: Number.NEGATIVE_INFINITY, repeatedAt: at });
    }
    return answer;
  }

  async #noteBlocks(hashes: readonly Uint8Array[]): Promise<void> {
    for (const hash of hashes) {
      const outcome = await this.#parts.chain.outcome(hash);
      if (!outcome.ok || !outcome.value?.succeeded) continue;
      const { block, gasUsed, gasPrice } = outcome.value;
      const args = { hash, block, gasUsed, gasPrice: gasPrice === undefined ? null : String(gasPrice) };
      await this.#parts.store.commit({ ops: [{ op: 'billing.mined', args }] });
    }
  }
}

/** Whether the payout is what a node would include: it pays more than a batch with the same nonce. */
const pays = (payout: PayoutRow, batch: InFlight | null): boolean =>
  batch === null || BigInt(payout.max_fee) > BigInt(batch.max_fee);
