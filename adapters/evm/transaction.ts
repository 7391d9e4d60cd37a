import { keccak_256 } from '@noble/hashes/sha3.js';
import type { Signer } from '../../gateway/ports/chain.ts';
import { type RlpItem, rlp, rlpInteger } from './rlp.ts';

/** An EIP-1559 transaction without an access list. Amounts in wei. */
export interface Eip1559 {
  readonly chainId: number;
  readonly nonce: number;
  readonly tip: bigint;
  readonly maxFee: bigint;
  readonly gasLimit: number;
  /** 20 bytes; null creates a contract. */
  readonly to: Uint8Array | null;
  readonly value?: bigint;
  readonly data: Uint8Array;
}

const TYPE = Uint8Array.of(2);

/** Signs a transaction: what `eth_sendRawTransaction` takes, and its hash. Deterministic (RFC 6979). */
export function signTransaction(tx: Eip1559, signer: Signer): { raw: Uint8Array; hash: Uint8Array } {
  const fields: RlpItem[] = [
    rlpInteger(tx.chainId),
    rlpInteger(tx.nonce),
    rlpInteger(tx.tip),
    rlpInteger(tx.maxFee),
    rlpInteger(tx.gasLimit),
    tx.to ?? new Uint8Array(0),
    rlpInteger(tx.value ?? 0n),
    tx.data,
    [],
  ];
  const signature = signer.sign(keccak_256(Buffer.concat([TYPE, rlp(fields)])));
  const integer = (bytes: Uint8Array) => rlpInteger(BigInt(`0x${Buffer.from(bytes).toString('hex')}`));
  const raw = Buffer.concat([
    TYPE,
    rlp([
      ...fields,
      rlpInteger(signature[64]! - 27),
      integer(signature.subarray(0, 32)),
      integer(signature.subarray(32, 64)),
    ]),
  ]);
  return { raw: new Uint8Array(raw), hash: keccak_256(raw) };
}
