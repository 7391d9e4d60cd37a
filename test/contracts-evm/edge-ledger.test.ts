import { keccak256, type TypedDataDomain, toUtf8Bytes, type Wallet } from 'ethers';
import { describe, expect, test } from 'vitest';
import { fromHex, toHex } from '../../gateway/billing/formats/bytes.ts';
import {
  BILLING_TYPES,
  batchHead,
  billingDomain,
  channelId,
  separatorOf,
} from '../../gateway/billing/formats/documents.ts';
import { abiOf, revertOf, sharedChain, type TestChain } from './chain.ts';

const ZERO = `0x${'0'.repeat(64)}`;
const root = (n: number) => keccak256(toUtf8Bytes(`root ${n}`));

const headAfter = (prevHead: string, merkleRoot: string, toSeq: number, total: bigint): string =>
  toHex(batchHead({ prevHead: fromHex(prevHead), root: fromHex(merkleRoot), toSeq, total }));

async function setUp(chain: TestChain) {
  const device = await chain.account('device');
  const ledger = await chain.deploy('EdgeLedger', device, `0x${'0'.repeat(40)}`);
  return { device, ledger, address: (await ledger.getAddress()).toLowerCase() };
}

async function signBatch(
  signer: Wallet,
  domain: TypedDataDomain,
  batch: Record<string, unknown>,
): Promise<string> {
  return signer.signTypedData(domain, { Batch: [...BILLING_TYPES.Batch] }, batch);
}

describe.each(['anvil', 'ethereumjs'] as const)('the ledger on %s', (engine) => {
  const shared = sharedChain(engine);

  test('posts each batch once, in order, and says so in events', async () => {
    const chain = shared();
    const { device, ledger } = await setUp(chain);
    const first = headAfter(ZERO, root(1), 10, 700n);
    const second = headAfter(first, root(2), 12, 900n);
    await chain.send(ledger, device, 'post', ZERO, root(1), 10, 700n);
    const receipt = await chain.send(ledger, device, 'post', first, root(2), 12, 900n);
    const [event] = receipt.logs.map((log) => abiOf('EdgeLedger').parseLog(log));
    expect(event?.args.toObject()).toEqual({
      device: device.address,
      batch: 2n,
      head: second,
      prevHead: first,
      root: root(2),
      toSeq: 12n,
      total: 900n,
    });
    const head = await ledger.headOf!(device.address);
    expect(head.toObject()).toEqual({ head: second, toSeq: 12n, batches: 2n, total: 900n });
  });

  test('costs exactly as much as ever: 70,665 gas for the first batch of a device, 36,849 for each later one', async () => {
    const chain = shared();
    const { device, ledger } = await setUp(chain);
    const total = 123_456_789_012_345_678_901n;
    const first = await chain.send(ledger, device, 'post', ZERO, root(1), 10_000, total);
    const head = headAfter(ZERO, root(1), 10_000, total);
    const next = await chain.send(ledger, device, 'post', head, root(2), 20_000, 2n * total);
    expect({ first: Number(first.gasUsed), next: Number(next.gasUsed) }).toEqual({
      first: 70_665,
      next: 36_849,
    });
  });

  test('refuses duplicates, stale batches, empty batches and falling totals by name', async () => {
    const chain = shared();
    const { device, ledger } = await setUp(chain);
    const post = (...args: unknown[]) => revertOf(chain.send(ledger, device, 'post', ...args));
    await chain.send(ledger, device, 'post', ZERO, root(1), 10, 700n);
    const head = headAfter(ZERO, root(1), 10, 700n);
    expect(await post(ZERO, root(1), 10, 700n)).toBe('StaleHead');
    expect(await post(root(9), root(2), 11, 800n)).toBe('StaleHead');
    expect(await post(head, root(2), 10, 800n)).toBe('SeqNotAdvanced');
    expect(await post(head, root(2), 11, 699n)).toBe('TotalDecreased');
    expect(await post(head, root(2), 11, 700n)).toBe('no revert');
  });

  test("takes a device's signed batch from anyone, and nothing that only looks like one", async () => {
    const chain = shared();
    const { device, ledger, address } = await setUp(chain);
    const [relay, stranger] = [await chain.account('relay'), await chain.account('stranger')];
    const domain = billingDomain({ chainId: chain.devchain.chainId, address }) as TypedDataDomain;
    const batch = { prevHead: ZERO, root: root(1), toSeq: 5, total: 10n };
    const fields = [batch.prevHead, batch.root, batch.toSeq, batch.total];
    const relayed = (signature: string, of = device.address) =>
      revertOf(chain.send(ledger, relay, 'postFor', of, ...fields, signature));

    expect(await relayed(await signBatch(relay, domain, batch))).toBe('WrongSigner');
    expect(await relayed(await signBatch(device, { ...domain, chainId: 1 }, batch))).toBe('WrongSigner');
    const elsewhere = { ...domain, verifyingContract: relay.address };
    expect(await relayed(await signBatch(device, elsewhere, batch))).toBe('WrongSigner');
    const head = { channelId: ZERO, seq: 5, cumulative: 10n, receiptHash: root(1) };
    const asHead = await device.signTypedData(domain, { Head: [...BILLING_TYPES.Head] }, head);
    expect(await relayed(asHead)).toBe('WrongSigner');
    const good = await signBatch(device, domain, batch);
    expect(await relayed(highS(good))).toBe('ECDSAInvalidSignatureS');
    expect(await relayed(good.slice(0, -2))).toBe('ECDSAInvalidSignatureLength');
    expect(await relayed(good, stranger.address)).toBe('WrongSigner');
    expect(await relayed(good)).toBe('no revert');
    expect(await relayed(good)).toBe('StaleHead');
    expect((await ledger.headOf!(device.address)).toSeq).toBe(5n);
    expect((await ledger.headOf!(relay.address)).toSeq).toBe(0n);
  });

  test('names channels as the gateway does', async () => {
    const chain = shared();
    const { device, ledger, address } = await setUp(chain);
    const config = {
      payer: device.address.toLowerCase(),
      payerSigner: `0x${'11'.repeat(20)}`,
      provider: `0x${'22'.repeat(20)}`,
      device: device.address.toLowerCase(),
      token: chain.devchain.addresses.token,
      withdrawDelay: 604_800,
      disputeWindow: 86_400,
      salt: root(3),
    };
    const separator = separatorOf({ chainId: chain.devchain.chainId, address });
    expect(await ledger.channelId!(config)).toBe(toHex(channelId(separator, config)));
  });
});

/** The other signature of the same key over the same digest, which must not count. */
function highS(signature: string): string {
  const n = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
  const s = (n - BigInt(`0x${signature.slice(66, 130)}`)).toString(16).padStart(64, '0');
  return `${signature.slice(0, 66)}${s}${signature.endsWith('1b') ? '1c' : '1b'}`;
}
