import { Worker } from 'node:worker_threads';
import { leafOf } from '../formats/documents.ts';
import { merkleTree } from '../formats/merkle.ts';
import type { RangeRow } from './outbox-ops.ts';

/** A batch's Merkle tree, packed as the store keeps it. */
export interface PackedTree {
  readonly root: Uint8Array;
  /** All nodes, 32 bytes each, root first. */
  readonly nodes: Uint8Array;
  /** Place of each leaf in `nodes`, 4 bytes big-endian each. */
  readonly places: Uint8Array;
}

/** Up to this many leaves the tree is built where it is asked for (about 3 ms); above, in a thread of its own. */
const INLINE_LEAVES = 128;

export function packTree(rows: readonly RangeRow[]): PackedTree {
  const tree = merkleTree(
    rows.map((row) =>
      leafOf({
        channelId: row.channel_id,
        seq: row.seq,
        receiptHash: row.hash,
        cumulative: BigInt(row.cumulative),
      }),
    ),
  );
  const places = new Uint8Array(tree.places.length * 4);
  const view = new DataView(places.buffer);
  for (const [leaf, place] of tree.places.entries()) view.setUint32(leaf * 4, place);
  return { root: new Uint8Array(tree.root), nodes: new Uint8Array(Buffer.concat(tree.nodes)), places };
}

/** Builds without holding up the caller's thread. The thread ends with its answer. */
export function buildTree(rows: readonly RangeRow[]): Promise<PackedTree> {
  if (rows.length <= INLINE_LEAVES) return Promise.resolve(packTree(rows));
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(TREE_WORKER, import.meta.url), { workerData: rows });
    worker.once('message', (tree: PackedTree) => resolve(tree));
    worker.once('error', reject);
    worker.once('exit', () => reject(new Error('the tree thread ended without an answer')));
  });
}

/** The extension is the one this file runs with: `.ts` from the sources, `.js` when built. */
const TREE_WORKER = `./tree-worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`;
