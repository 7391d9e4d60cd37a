import { rotateKey } from '../../billing/keys/rotation.ts';
import { GatewayError } from '../../errors.ts';
import { findApi } from '../api.ts';
import type { Subcommand } from '../subcommands.ts';
import { chainOf } from './chain-of.ts';

/** `ledger keys rotate`: a new device key; the old one goes on collecting what is owed to it. */
export const keys: Subcommand = async (context, words) => {
  if (words.length !== 1 || words[0] !== 'rotate')
    throw new GatewayError('USAGE', 'something is missing', {
      received: words.join(' '),
      expected: 'ledger keys rotate',
    });
  const { config } = context.config({ quiet: true, checkFiles: false });
  const rotated = await rotateKey(chainOf(config));
  const running = findApi(config.gateway.dataDir) !== undefined;
  context.print({ ...rotated, restart: running }, () =>
    [
      `new device key  ${rotated.after}`,
      `old device key  ${rotated.before}, kept as ${rotated.kept}`,
      '',
      running
        ? 'The running gateway takes the new key when it is started anew.'
        : 'It holds from the next start on.',
      'Give the new address coins for fees, and leave the old one some: it posts, settles and claims what is owed to it.',
      'Customers open new channels with the new address; on old ones nothing more is served.',
      'When the log says that nothing is owed to the old key, `ledger withdraw --to ADDRESS` moves its coins away.',
    ].join('\n'),
  );
  return 0;
};
