import { keccak, sameBytes, ZERO_WORD } from '../../gateway/billing/formats/bytes.ts';
import { batchHead, type Ledger } from '../../gateway/billing/formats/documents.ts';
import type { Chain, ChainAnswer, ChainView, LedgerHead, PostFields } from '../../gateway/ports/chain.ts';

export interface MemoryLedger extends Chain {
  /** What `view` answers in place of the truth, when set. */
  answer: ChainAnswer<ChainView> | undefined;
  /** Transactions that were handed over, oldest first. */
  readonly sent: readonly Uint8Array[];
  /** Whether a transaction is in the chain as soon as it is sent. */
  automine: boolean;
  baseFee: bigint;
  mine(): void;
}

/** The rules of the ledger contract in this process, for tests of what surrounds the chain. The real chains have their own tests. */
export function ledgerInMemory(ledger: Ledger): MemoryLedger {
  let head: LedgerHead = { head: ZERO_WORD, toSeq: 0, batches: 0, total: 0n };
  let nonce = 0;
  let block = 1;
  const posts = new Map<string, { post: PostFields; nonce: number }>();
  const mined = new Map<string, number>();
  const sent: Uint8Array[] = [];
  const key = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

  const include = (raw: Uint8Array): void => {
    const { post, nonce: used } = posts.get(key(raw))!;
    if (used !== nonce) return;
    nonce++;
    block++;
    if (!sameBytes(post.prevHead, head.head)) return;
    head = { head: batchHead(post), toSeq: post.toSeq, batches: head.batches + 1, total: post.total };
    mined.set(key(keccak(raw)), block);
  };

  const chain: MemoryLedger = {
    chainId: ledger.chainId,
    ledger: ledger.address,
    answer: undefined,
    sent,
    automine: true,
    baseFee: 10n ** 9n,
    async view() {
      if (chain.answer) return chain.answer;
      return { ok: true, value: { block, head, finalHead: head, nonce, baseFee: chain.baseFee, tip: 1n } };
    },
    signPost(post, terms, signer) {
      const raw = keccak(
        batchHead(post),
        signer.sign(keccak(Buffer.from(JSON.stringify(terms, (_, v) => String(v))))),
      );
      posts.set(key(raw), { post, nonce: terms.nonce });
      return { raw, hash: keccak(raw) };
    },
    async broadcast(raw) {
      sent.push(raw);
      if (chain.automine) include(raw);
      return { ok: true, value: 'sent' };
    },
    async outcome(hash) {
      const at = mined.get(key(hash));
      return { ok: true, value: at === undefined ? null : { block: at, succeeded: true, gasUsed: 36_424 } };
    },
    mine() {
      const last = sent.at(-1);
      if (last) include(last);
    },
    close() {},
  };
  return chain;
}
