import { describe, expect, it } from 'vitest';
import { findPosted } from '../../../adapters/evm/posted.ts';
import { sharedChain } from '../../contracts-evm/chain.ts';

const ZERO = `0x${'0'.repeat(64)}`;

describe.each(['anvil', 'ethereumjs'] as const)('a batch on %s', (engine) => {
  const chain = sharedChain(engine);

  it('is found by its head, and only for its device, ledger and chain', async () => {
    const { devchain, account, deploy, send } = chain();
    const [device, other] = [await account('device'), await account('other')];
    const contract = await deploy('EdgeLedger', device, `0x${'0'.repeat(40)}`);
    const sent = await send(contract, device, 'post', ZERO, `0x${'11'.repeat(32)}`, 3, 7n);
    const { head } = await contract.headOf!(device.address);
    const query = {
      rpcUrl: devchain.rpcUrl,
      chainId: devchain.chainId,
      ledger: (await contract.getAddress()).toLowerCase(),
      device: device.address.toLowerCase(),
      head: head as string,
    };
    expect(await findPosted(query)).toEqual({ block: sent.blockNumber, transaction: sent.hash });
    expect(await findPosted({ ...query, head: `0x${'22'.repeat(32)}` })).toBeNull();
    expect(await findPosted({ ...query, device: other.address.toLowerCase() })).toBeNull();
    expect(await findPosted({ ...query, ledger: devchain.addresses.ledger })).toBeNull();
    await expect(findPosted({ ...query, chainId: 1 })).rejects.toThrow('chain 31337');
  });
});
