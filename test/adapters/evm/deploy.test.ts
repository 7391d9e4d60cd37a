import { getCreate2Address, getCreateAddress, Interface, keccak256, Transaction } from 'ethers';
import { describe, expect, test } from 'vitest';
import { create2Address, PROXY } from '../../../adapters/evm/create2.ts';
import { deployContracts, plannedContracts } from '../../../adapters/evm/deploy.ts';
import { JsonRpc } from '../../../adapters/evm/rpc.ts';
import { keccak } from '../../../gateway/billing/formats/bytes.ts';
import { deviceSigner } from '../../../gateway/billing/keys/device-key.ts';
import { sharedChain } from '../../contracts-evm/chain.ts';

const signer = deviceSigner(keccak(Buffer.from('a deployer')));

test('the proxy is at the address that its transaction leads to', () => {
  const transaction = Transaction.from(PROXY.transaction);
  expect(transaction.from?.toLowerCase()).toBe(PROXY.deployer);
  expect(transaction.gasLimit * transaction.gasPrice!).toBe(PROXY.cost);
  const address = getCreateAddress({ from: PROXY.deployer, nonce: 0 });
  expect(address.toLowerCase()).toBe(PROXY.address);
  expect(transaction.data.endsWith(PROXY.code.slice(2))).toBe(true);
});

test('addresses are those of EIP-1014', () => {
  const salt = keccak(Buffer.from('salt'));
  const code = Buffer.from('600160005360016000f3', 'hex');
  const theirs = getCreate2Address(PROXY.address, salt, keccak256(code));
  expect(create2Address(PROXY.address, salt, code)).toBe(theirs.toLowerCase());
});

const seen: Record<string, object> = {};

describe.each(['anvil', 'ethereumjs'] as const)('on %s', (engine) => {
  const chain = sharedChain(engine);

  test('everything goes where it was said to go, once', async () => {
    const { devchain, provider } = chain();
    const { rpcUrl, chainId } = devchain;
    await devchain.fund(signer.address);
    const deployed = await deployContracts({ rpcUrl, chainId, signer });
    expect(deployed).toEqual(plannedContracts(signer.address));
    // Only the token depends on who deploys.
    const { token, ...rest } = deployed;
    expect(devchain.addresses).toMatchObject(rest);
    expect(devchain.addresses.token).not.toBe(token);
    for (const address of Object.values(deployed)) expect(await provider.getCode(address)).not.toBe('0x');
    expect(await provider.getCode(PROXY.address)).toBe(PROXY.code);
    const nonce = await provider.getTransactionCount(signer.address);
    expect(await deployContracts({ rpcUrl, chainId, signer })).toEqual(deployed);
    expect(await provider.getTransactionCount(signer.address)).toBe(nonce);

    const rpc = new JsonRpc(rpcUrl);
    const directory = new Interface(['function LEDGER() view returns (address)']);
    const ledger = await rpc.call('eth_call', [
      { to: deployed.directory, data: directory.encodeFunctionData('LEDGER') },
      'latest',
    ]);
    rpc.close();
    expect((ledger as string).endsWith(deployed.ledger.slice(2))).toBe(true);
    seen[engine] = deployed;
  });

  test('nothing is sent to another chain', async () => {
    const { rpcUrl } = chain().devchain;
    await expect(deployContracts({ rpcUrl, chainId: 5, signer })).rejects.toMatchObject({
      code: 'CHAIN_DEPLOY',
      message: expect.stringContaining('serves chain 31337'),
    });
  });
});

test('both virtual machines have them at the same addresses', () => {
  expect(seen.anvil).toEqual(seen.ethereumjs);
});
