import { Interface, Transaction } from 'ethers';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodePost } from '../../../adapters/evm/index.ts';
import { signTransaction } from '../../../adapters/evm/transaction.ts';
import { keccak, toHex } from '../../../gateway/billing/formats/bytes.ts';
import { deviceSigner } from '../../../gateway/billing/keys/device-key.ts';

const SEED = 20260605;
const signer = deviceSigner(keccak(Buffer.from('a key for tests')));

test(`ethers reads every transaction that we sign, and finds the sender (seed ${SEED})`, () => {
  const wei = fc.bigInt({ min: 0n, max: 2n ** 90n });
  const tx = fc.record({
    chainId: fc.integer({ min: 1, max: 2 ** 40 }),
    nonce: fc.integer({ min: 0, max: 2 ** 32 }),
    tip: wei,
    maxFee: wei,
    gasLimit: fc.integer({ min: 21_000, max: 30_000_000 }),
    to: fc.option(fc.uint8Array({ minLength: 20, maxLength: 20 })),
    value: wei,
    data: fc.uint8Array({ maxLength: 300 }),
  });
  fc.assert(
    fc.property(tx, (fields) => {
      fc.pre(fields.tip <= fields.maxFee);
      const { raw, hash } = signTransaction(fields, signer);
      const read = Transaction.from(toHex(raw));
      expect(read.hash).toBe(toHex(hash));
      expect(read.from?.toLowerCase()).toBe(signer.address);
      expect(read.to?.toLowerCase() ?? null).toBe(fields.to && toHex(fields.to));
      expect(read.data).toBe(toHex(fields.data));
      expect([read.chainId, read.nonce, read.gasLimit]).toEqual([
        BigInt(fields.chainId),
        fields.nonce,
        BigInt(fields.gasLimit),
      ]);
      expect([read.maxFeePerGas, read.maxPriorityFeePerGas, read.value]).toEqual([
        fields.maxFee,
        fields.tip,
        fields.value,
      ]);
    }),
    { seed: SEED, numRuns: 60 },
  );
});

test('encodes the call of post as the ABI says', () => {
  const post = {
    prevHead: new Uint8Array(32).fill(1),
    root: new Uint8Array(32).fill(2),
    toSeq: 77,
    total: 10n ** 20n,
  };
  const abi = new Interface(['function post(bytes32 prevHead, bytes32 root, uint64 toSeq, uint128 total)']);
  expect(toHex(encodePost(post))).toBe(
    abi.encodeFunctionData('post', [toHex(post.prevHead), toHex(post.root), post.toSeq, post.total]),
  );
});
