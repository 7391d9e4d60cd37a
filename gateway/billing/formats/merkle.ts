import { keccak } from './bytes.ts';

/**
 * Merkle trees as OpenZeppelin's `standard-v1` lays them out: leaves sorted, a complete binary tree in one array with
 * the root first, pairs hashed in ascending order, so that a proof needs no left and right.
 */
export interface MerkleTree {
  /** Nodes: children of i are 2i+1 and 2i+2; leaves last, in descending order. */
  readonly nodes: readonly Uint8Array[];
  readonly root: Uint8Array;
  /** Place in `nodes` of the k-th leaf given. */
  readonly places: readonly number[];
}

export function pairHash(a: Uint8Array, b: Uint8Array): Uint8Array {
  return Buffer.compare(a, b) < 0 ? keccak(a, b) : keccak(b, a);
}

/** Throws a RangeError without leaves. */
export function merkleTree(leaves: readonly Uint8Array[]): MerkleTree {
  if (leaves.length === 0) throw new RangeError('a Merkle tree needs at least one leaf');
  const order = leaves.map((_, index) => index).sort((a, b) => Buffer.compare(leaves[a]!, leaves[b]!));
  const size = 2 * leaves.length - 1;
  const nodes = new Array<Uint8Array>(size);
  const places = new Array<number>(leaves.length);
  for (const [rank, index] of order.entries()) {
    nodes[size - 1 - rank] = leaves[index]!;
    places[index] = size - 1 - rank;
  }
  for (let i = size - 1 - leaves.length; i >= 0; i--)
    nodes[i] = pairHash(nodes[2 * i + 1]!, nodes[2 * i + 2]!);
  return { nodes, root: nodes[0]!, places };
}

/** Siblings from the k-th leaf given up to the root. */
export function merkleProof(tree: MerkleTree, leaf: number): Uint8Array[] {
  const proof: Uint8Array[] = [];
  for (let i = tree.places[leaf]!; i > 0; i = (i - 1) >> 1) proof.push(tree.nodes[i % 2 ? i + 1 : i - 1]!);
  return proof;
}

/** Root that `leaf` and its siblings lead to. */
export const merkleRoot = (leaf: Uint8Array, proof: readonly Uint8Array[]): Uint8Array =>
  proof.reduce(pairHash, leaf);
