import type { TypedDataDomain } from 'ethers';
import { describe, expect, test } from 'vitest';
import { revertOf, sharedChain } from './chain.ts';

describe.each(['anvil', 'ethereumjs'] as const)('the token on %s', (engine) => {
  const shared = sharedChain(engine);

  test('has a fixed supply of 150 million with 18 decimals, all with the treasury', async () => {
    const chain = shared();
    const [deployer, treasury] = [await chain.account('deployer'), await chain.account('treasury')];
    const token = await chain.deploy('AIMX', deployer, treasury.address);
    expect(await token.totalSupply!()).toBe(150_000_000n * 10n ** 18n);
    expect(await token.balanceOf!(treasury.address)).toBe(150_000_000n * 10n ** 18n);
    expect([await token.name!(), await token.symbol!(), await token.decimals!()]).toEqual([
      'AI Matrix',
      'AIMX',
      18n,
    ]);
  });

  test('has no function that could make, freeze or seize tokens', async () => {
    const chain = shared();
    const deployer = await chain.account('deployer');
    const token = await chain.deploy('AIMX', deployer, deployer.address);
    const changing = token.interface.fragments
      .filter(
        (f) =>
          f.type === 'function' &&
          !['view', 'pure'].includes((f as never as { stateMutability: string }).stateMutability),
      )
      .map((f) => (f as never as { name: string }).name);
    expect(changing.sort()).toEqual(['approve', 'permit', 'transfer', 'transferFrom']);
  });

  test('takes a permit once', async () => {
    const chain = shared();
    const [owner, spender] = [await chain.account('owner'), await chain.account('spender')];
    const token = await chain.deploy('AIMX', owner, owner.address);
    const domain: TypedDataDomain = {
      name: 'AI Matrix',
      version: '1',
      chainId: chain.devchain.chainId,
      verifyingContract: await token.getAddress(),
    };
    const permit = {
      owner: owner.address,
      spender: spender.address,
      value: 5n,
      nonce: 0n,
      deadline: 2n ** 40n,
    };
    const types = {
      Permit: [
        { name: 'owner', type: 'address' },
        { name: 'spender', type: 'address' },
        { name: 'value', type: 'uint256' },
        { name: 'nonce', type: 'uint256' },
        { name: 'deadline', type: 'uint256' },
      ],
    };
    const signature = await owner.signTypedData(domain, types, permit);
    const [r, s, v] = [signature.slice(0, 66), `0x${signature.slice(66, 130)}`, `0x${signature.slice(130)}`];
    const args = [owner.address, spender.address, 5n, permit.deadline, v, r, s];
    await chain.send(token, spender, 'permit', ...args);
    expect(await revertOf(chain.send(token, spender, 'permit', ...args))).toBe('ERC2612InvalidSigner');
    await chain.send(token, spender, 'transferFrom', owner.address, spender.address, 5n);
    expect(await token.balanceOf!(spender.address)).toBe(5n);
  });
});
