import { deployContracts, plannedContracts } from '../../adapters/registry.ts';
import { openKeystore } from '../billing/keys/keystore.ts';
import { QUANTITIES } from '../billing/tariff/quantities.ts';
import type { Config } from '../config/schema.ts';
import type { Command, CommandContext } from './command.ts';
import { chainOf } from './ledger/chain-of.ts';
import { post, settle } from './ledger/collect.ts';
import { keys } from './ledger/keys.ts';
import { quote } from './ledger/quote.ts';
import { rate } from './ledger/rate.ts';
import { status } from './ledger/status.ts';
import { withdraw } from './ledger/withdraw.ts';
import { runSubcommand, type Subcommand } from './subcommands.ts';

/** `ledger status|post|settle|withdraw|keys|quote|rate|deploy`: how billing stands with the chain. */
export const ledger: Command = {
  name: 'ledger',
  summary: 'billing and the chain: status, post, settle, withdraw, keys, quote, rate, deploy',
  usage: [
    'ledger status',
    'ledger post|settle',
    'ledger withdraw --to ADDRESS',
    'ledger keys rotate',
    'ledger quote MODEL [--count N] [--use QUANTITY=N[,QUANTITY=N]]',
    'ledger quote --rent PERCENT [--for 1h]',
    'ledger rate CURRENCY AIMX [--for 1h] [--source TEXT] [--out FILE]',
    'ledger deploy [--token ADDRESS] [--plan]',
  ],
  help: `
status shows what was made, posted and final per device key and ledger, what waits and why, what posting has cost, and how
the chain sees it. Works with the gateway running or stopped, and without a chain.

post asks the running gateway to post what waits without waiting for a better fee; settle also settles, claims and releases what
customers owe. Neither goes above billing.chain.maxFeeGwei.

keys rotate makes a new device key. The old one is kept beside it and goes on collecting what is owed to it; withdraw moves its coins
away once nothing is. What customers pay goes to billing.provider and never lies on the gateway.

quote prices N uses of a model by the tariff of the configuration, on a channel that has used nothing before. --use names what
one use takes besides the inference itself: ${QUANTITIES.filter((name) => name !== 'inference').join(', ')}. With --rent it prices a
reserved share of the accelerator for a time.

rate signs with the device key what one unit of a currency is worth in AIMX, for a while (at most 7d), and writes it to the file that
billing.rate names: for a tariff whose currency names this key as its signer. A running gateway takes it within a second.

deploy puts token, ledger, directory and benchmark registry on the chain of the configuration, paid by its device key, at addresses
that follow from their code: the same on every chain. What is there already stays; --plan only prints the addresses. For development and
test networks: elsewhere --token (or billing.chain.token) names the token that exists.`,
  options: {
    count: { type: 'string' },
    use: { type: 'string' },
    token: { type: 'string' },
    plan: { type: 'boolean' },
    rent: { type: 'string' },
    for: { type: 'string' },
    source: { type: 'string' },
    out: { type: 'string' },
    to: { type: 'string' },
  },
  run: (context) =>
    runSubcommand('ledger', context, { status, post, settle, withdraw, keys, quote, rate, deploy }),
};

const configOf = (context: CommandContext): Config =>
  context.config({ quiet: true, checkFiles: false }).config;

const deploy: Subcommand = async (context) => {
  const chain = chainOf(configOf(context));
  const token = context.option('token') ?? chain.token;
  const signer = await openKeystore(chain);
  const planned = plannedContracts(signer.address, token);
  const lines = Object.entries(planned).map(([name, address]) => `${name.padEnd(10)}  ${address}`);
  if (context.flag('plan')) {
    context.print(planned, () => lines.join('\n'));
    return 0;
  }
  if (!context.json) context.ui.note(`Deploying to chain ${chain.chainId}:\n${lines.join('\n')}`);
  const { rpcUrl, chainId } = chain;
  const deployed = await deployContracts({ rpcUrl, chainId, signer, ...(token ? { token } : {}) });
  context.print(deployed, () =>
    [
      'All are in the chain. Put these into gateway.yaml under billing.chain:',
      ...Object.entries(deployed).map(([name, address]) => `  ${name}: "${address}"`),
    ].join('\n'),
  );
  return 0;
};
