import { describe, expect, test } from 'vitest';
import { EvmContract } from '../../../adapters/evm/contract.ts';
import { keccak } from '../../../gateway/billing/formats/bytes.ts';
import { deviceSigner } from '../../../gateway/billing/keys/device-key.ts';
import { sharedChain } from '../../contracts-evm/chain.ts';

const signer = deviceSigner(keccak(Buffer.from('a busy key')));

describe('a contract on anvil', () => {
  const chain = sharedChain('anvil');

  test('tells another chain, no contract, a refusal by name, and a key that is busy', async () => {
    const { devchain, provider } = chain();
    const { rpcUrl, chainId, addresses } = devchain;
    await devchain.fund(signer.address);
    const common = { rpcUrl, chainId, address: addresses.directory, errors: ['NotListed(address)'] };
    const open = (change: Partial<typeof common> = {}) => new EvmContract({ ...common, ...change });
    const reasonOf = async (contract: EvmContract) => {
      const seen = await contract.look((view) => view('count()', '(uint256)'));
      contract.close();
      return seen.ok ? seen.value : `${seen.code}: ${seen.reason}`;
    };
    expect(await reasonOf(open())).toEqual([0n]);
    expect(await reasonOf(open({ chainId: 5 }))).toContain('wrong: the node serves chain 31337');
    expect(await reasonOf(open({ address: signer.address }))).toContain('wrong: there is no contract');
    expect(await reasonOf(open({ rpcUrl: 'http://127.0.0.1:1' }))).toContain('unreachable');

    const contract = open();
    const prune = () => contract.send(signer, 'prune(address)', signer.address);
    expect(await prune()).toMatchObject({
      ok: false,
      code: 'refused',
      reason: expect.stringContaining('NotListed'),
    });
    const bar = (to: boolean) => contract.send(signer, 'bar(address,bool)', signer.address, to);
    expect(await bar(true)).toMatchObject({ ok: true, value: { gasUsed: expect.any(Number) } });
    await provider.send('evm_setAutomine', [false]);
    const waiting = bar(true);
    for (;;) {
      const count = await provider.send('eth_getTransactionCount', [signer.address, 'pending']);
      if (Number(count) === 2) break;
    }
    expect(await bar(false)).toMatchObject({
      ok: false,
      code: 'nonce',
      reason: expect.stringContaining('try again'),
    });
    await provider.send('evm_setAutomine', [true]);
    await provider.send('evm_mine', []);
    expect(await waiting).toMatchObject({ ok: true });
    contract.close();
  });
});
