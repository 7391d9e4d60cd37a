import type { Alarms } from '../../ports/alarms.ts';
import type { ChainView, PostFields, Signer } from '../../ports/chain.ts';
import type { Log } from '../../ports/log.ts';
import { Backoff } from '../../system/backoff.ts';
import type { BookKey } from '../book-rows.ts';
import { toHex } from '../formats/bytes.ts';
import type { FinalHead } from './outbox-ops.ts';
import { type LaneStep, TxLane, type TxLaneParts } from './tx-lane.ts';

export interface AnchorParts extends TxLaneParts {
  readonly signer: Signer;
  /** The book whose head is anchored; `book` is that of the other ledger. */
  readonly home: BookKey;
  /** Between two anchors, ms. */
  readonly everyMs: number;
  readonly log: Log;
  readonly alarms: Alarms;
}

type Outcome = LaneStep | { readonly kind: 'capped' };

const LOOK_MS = 15_000;
const DEV_LOOK_MS = 500;
const DEV_CHAIN = 31337;
const MAX_STEPS = 8;
/** A chain that cannot be used is worth an alarm only when it stays so. */
const ALARM_AFTER_MS = 3_600_000;

/**
 * Anchors the head of the home ledger on another one: `post(prevHead, root, toSeq, total)` with the final home head as root. Whoever trusts only the other chain sees there
 * what the device had committed to by then, and no receipt has to be posted twice. A compare-and-swap on the other ledger's head, like any post.
 */
export class Anchor {
  readonly #parts: AnchorParts;
  readonly #lane: TxLane;
  readonly #backoff: Backoff;
  #cancel: (() => void) | undefined;
  #running: Promise<void> | undefined;
  #stopped = false;
  #troubleSince: number | undefined;

  constructor(parts: AnchorParts) {
    this.#parts = parts;
    this.#lane = new TxLane(parts);
    const first = parts.chain.chainId === DEV_CHAIN ? DEV_LOOK_MS : LOOK_MS;
    this.#backoff = new Backoff({ first, last: Math.max(first, 300_000), jitter: 0 });
  }

  start(): void {
    this.#schedule(0);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    this.#parts.chain.close();
    await this.#running;
  }

  #schedule(ms: number): void {
    if (this.#stopped) return;
    this.#cancel = this.#parts.clock.after(ms, () => {
      this.#running = this.#look().then((next) => this.#schedule(next));
    });
  }

  /** Answers when to look again, ms. */
  async #look(): Promise<number> {
    const { log } = this.#parts;
    let trouble: string | undefined;
    try {
      const outcome = await this.#round();
      if (outcome.kind === 'unavailable') trouble = outcome.reason;
      if (outcome.kind === 'capped') trouble = 'a post costs more per gas than is allowed';
      if (outcome.kind === 'sent')
        log.info({ chain: this.#parts.chain.chainId, tx: toHex(outcome.hash) }, 'billing: anchored the head');
    } catch (error) {
      trouble = error instanceof Error ? error.message : String(error);
    }
    this.#tell(trouble);
    if (trouble === undefined) this.#backoff.reset();
    return this.#backoff.next();
  }

  #tell(trouble: string | undefined): void {
    const { alarms, clock, chain } = this.#parts;
    const kind = `billing-anchor-${chain.chainId}`;
    if (trouble === undefined) {
      this.#troubleSince = undefined;
      alarms.clear(kind);
      return;
    }
    this.#troubleSince ??= clock.monotonic();
    if (clock.monotonic() - this.#troubleSince < ALARM_AFTER_MS) return;
    alarms.raise({
      ...{ kind, severity: 'warning' },
      message: `Heads cannot be anchored on chain ${chain.chainId}: ${trouble}`,
      fix: 'Check that entry of billing.anchors, its node, and the coins of the device key on that chain.',
    });
  }

  async #round(): Promise<Outcome> {
    const { chain, signer } = this.#parts;
    for (let step = 0; step < MAX_STEPS; step++) {
      const answer = await chain.view(signer.address);
      if (!answer.ok) return { kind: 'unavailable', code: answer.code, reason: answer.reason };
      const next = await this.#step(answer.value);
      if (next.kind !== 'again') return next;
    }
    return { kind: 'rest' };
  }

  async #step(view: ChainView): Promise<Outcome> {
    const { store, home, clock, everyMs, chain, signer } = this.#parts;
    const { inFlight, newestAt } = await this.#lane.look(view);
    if (inFlight) {
      const needs = this.#lane.needs(inFlight);
      if (needs === 'send') return this.#lane.broadcast(inFlight);
      if (needs === 'patience') return { kind: 'rest' };
    }
    const final = await store.query<FinalHead | null>('billing.finalHead', { book: home });
    if (!final || final.to_ordinal <= view.head.toSeq) return { kind: 'rest' };
    if (!inFlight && newestAt !== null && clock.now() - newestAt < everyMs) return { kind: 'rest' };
    const fee = this.#lane.fee(view, inFlight ?? undefined);
    if (!fee) return { kind: 'capped' };
    const post: PostFields = {
      ...{ prevHead: view.head.head, root: final.head, toSeq: final.to_ordinal },
      total: BigInt(final.total),
    };
    return this.#lane.keep(
      'anchor',
      view.nonce,
      fee,
      chain.signPost(post, { nonce: view.nonce, ...fee }, signer),
    );
  }
}
