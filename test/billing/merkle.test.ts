import { readFileSync } from 'node:fs';
import { AbiCoder, keccak256 } from 'ethers';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { keccak, toHex } from '../../gateway/billing/formats/bytes.ts';
import { leafOf } from '../../gateway/billing/formats/documents.ts';
import { merkleProof, merkleRoot, merkleTree } from '../../gateway/billing/formats/merkle.ts';
import { buildTree, packTree } from '../../gateway/billing/posting/tree-builder.ts';
import { testData } from '../support/data.ts';

const SEED = 20260602;
const dump = testData('merkle', 'standard-v1.sorted.json');

test.skipIf(!dump)("lays nodes out as OpenZeppelin's standard-v1", () => {
  const expected = JSON.parse(readFileSync(dump!, 'utf8')) as {
    leafEncoding: string[];
    tree: string[];
    values: { value: string[]; treeIndex: number }[];
  };
  const coder = AbiCoder.defaultAbiCoder();
  const leaves = expected.values.map(({ value }) =>
    keccak(Buffer.from(keccak256(coder.encode(expected.leafEncoding, value)).slice(2), 'hex')),
  );
  const tree = merkleTree(leaves);
  expect(tree.nodes.map(toHex)).toEqual(expected.tree);
  expect(tree.places).toEqual(expected.values.map((value) => value.treeIndex));
});

test('a leaf is keccak(keccak(abi.encode(channelId, seq, receiptHash, cumulative)))', () => {
  const head = {
    channelId: new Uint8Array(32).fill(7),
    seq: 9,
    receiptHash: new Uint8Array(32).fill(3),
    cumulative: 10n ** 30n,
  };
  const encoded = AbiCoder.defaultAbiCoder().encode(
    ['bytes32', 'uint64', 'bytes32', 'uint128'],
    [toHex(head.channelId), head.seq, toHex(head.receiptHash), head.cumulative],
  );
  expect(toHex(leafOf(head))).toBe(keccak256(keccak256(encoded)));
});

test(`every leaf proves itself, and no other (seed ${SEED})`, () => {
  const word = fc.uint8Array({ minLength: 32, maxLength: 32 });
  fc.assert(
    fc.property(
      fc.uniqueArray(word, { minLength: 1, maxLength: 40, selector: toHex }),
      word,
      (leaves, stranger) => {
        const tree = merkleTree(leaves);
        for (const [index, leaf] of leaves.entries()) {
          const proof = merkleProof(tree, index);
          expect(merkleRoot(leaf, proof)).toEqual(tree.root);
          expect(merkleRoot(stranger, proof)).not.toEqual(tree.root);
        }
      },
    ),
    { seed: SEED, numRuns: 50 },
  );
});

test('a large tree is built in a thread and is the same', async () => {
  const rows = Array.from({ length: 300 }, (_, i) => ({
    channel_id: new Uint8Array(32).fill(1),
    seq: i + 1,
    hash: keccak(Uint8Array.of(i >> 8, i)),
    cumulative: String(i * 10),
    amount: '10',
  }));
  expect(await buildTree(rows)).toEqual(packTree(rows));
});

test('a tree needs a leaf', () => {
  expect(() => merkleTree([])).toThrow(RangeError);
});
