import { createKeystore, openKeystore } from '../../billing/keys/keystore.ts';
import type { Subcommand } from '../subcommands.ts';
import { foldersOf, withBooks } from './shared.ts';

/** `payer init`: keys and books; what is there stays. */
export const init: Subcommand = (context) =>
  withBooks(context, async () => {
    const { dir, keys } = foldersOf(context);
    const wallet = await openKeystore(await createKeystore(keys, 'wallet'));
    const session = await openKeystore(await createKeystore(keys, 'session'));
    const data = { dir, wallet: wallet.address, session: session.address };
    context.print(data, () =>
      [
        `wallet   ${context.ui.style.bold(wallet.address)}`,
        `session  ${session.address}`,
        '',
        `Both keys are in ${keys}; keep a copy of that folder in a safe place.`,
        'Send the wallet AIMX, and some of the chain’s coin for gas. Then: aimx-gateway payer open --help',
      ].join('\n'),
    );
    return 0;
  });
