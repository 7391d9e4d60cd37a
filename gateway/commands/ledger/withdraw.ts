import { sendCoins } from '../../../adapters/registry.ts';
import { bookOf } from '../../billing/device-book.ts';
import { aimx } from '../../billing/formats/amount.ts';
import { retiredKeys } from '../../billing/keys/rotation.ts';
import { GatewayError } from '../../errors.ts';
import type { ExitCode } from '../command.ts';
import { withReader } from '../receipts/reader.ts';
import type { Subcommand } from '../subcommands.ts';
import { chainOf } from './chain-of.ts';

/**
 * `ledger withdraw`: moves the coins of replaced device keys away, once nothing is owed to them. What customers pay never lies on
 * the gateway: it goes to the provider's address.
 */
export const withdraw: Subcommand = (context) =>
  withReader(context, async (reader): Promise<ExitCode> => {
    const { config } = context.config({ quiet: true, checkFiles: false });
    const chain = chainOf(config);
    const to = context.option('to') ?? '';
    if (!/^0x[0-9a-fA-F]{40}$/.test(to))
      throw new GatewayError('USAGE', 'there is no address to send to', {
        received: to,
        expected: '--to 0x…',
      });
    const moved: { readonly device: string; readonly coins: string; readonly left: string | null }[] = [];
    for (const signer of await retiredKeys(chain)) {
      const { address: device } = signer;
      const ledger = chain.ledger?.toLowerCase();
      const book = {
        ...bookOf(undefined, device),
        ...(ledger ? { chainId: chain.chainId, address: ledger } : {}),
      };
      if (await reader.query<boolean>('billing.owed', { book })) {
        moved.push({ device, coins: '0', left: 'something is still owed to it' });
        continue;
      }
      const coins = await sendCoins({ ...chain, signer, to });
      moved.push({ device, coins: String(coins), left: coins === 0n ? 'too little for the fee' : null });
    }
    context.print(moved, () =>
      moved.length === 0
        ? 'No device key has been replaced.'
        : moved
            .map(({ device, coins, left }) => `${device}  ${left ?? `${aimx(coins)} coins sent to ${to}`}`)
            .join('\n'),
    );
    return 0;
  });
