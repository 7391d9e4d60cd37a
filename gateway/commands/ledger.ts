import { createLedgerChain, deployContracts, plannedContracts } from '../../adapters/registry.ts';
import { aimx } from '../billing/formats/amount.ts';
import { openKeystore } from '../billing/keys/keystore.ts';
import type { LedgerRow } from '../billing/receipts/ledger-query.ts';
import { QUANTITIES } from '../billing/tariff/quantities.ts';
import type { Config } from '../config/schema.ts';
import { durationText } from '../config/units.ts';
import type { ChainAnswer, ChainView } from '../ports/chain.ts';
import type { Command, CommandContext, ExitCode } from './command.ts';
import { chainOf } from './ledger/chain-of.ts';
import { quote } from './ledger/quote.ts';
import { rate } from './ledger/rate.ts';
import { withReader } from './receipts/reader.ts';
import { runSubcommand, type Subcommand } from './subcommands.ts';
import { ago, count, instant } from './ui/format.ts';

/** `ledger status|quote|rate|deploy`: how billing stands with the chain. */
export const ledger: Command = {
  name: 'ledger',
  summary: 'billing and the chain: status, quote, rate, deploy',
  usage: [
    'ledger status',
    'ledger quote MODEL [--count N] [--use QUANTITY=N[,QUANTITY=N]]',
    'ledger quote --rent PERCENT [--for 1h]',
    'ledger rate CURRENCY AIMX [--for 1h] [--source TEXT] [--out FILE]',
    'ledger deploy [--token ADDRESS] [--plan]',
  ],
  help: `
status shows what was made, posted and final per device key and ledger, what waits and why, what posting has cost, and how
the chain sees it. Works with the gateway running or stopped, and without a chain.

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
  },
  run: (context) => runSubcommand('ledger', context, { status, quote, rate, deploy }),
};

const configOf = (context: CommandContext): Config =>
  context.config({ quiet: true, checkFiles: false }).config;

const status: Subcommand = (context) =>
  withReader(context, async (reader): Promise<ExitCode> => {
    const config = configOf(context);
    const rows = await reader.query<LedgerRow[]>('billing.ledger', {});
    const chain = createLedgerChain(config);
    try {
      const views = await Promise.all(
        rows.map(async (row) =>
          chain && chain.chainId === row.chain_id && chain.ledger === row.ledger
            ? await chain.view(row.device)
            : undefined,
        ),
      );
      const data = rows.map((row, i) => ({ ...row, chain: chainData(views[i]) }));
      context.print(data, () =>
        rows.length === 0
          ? 'Nothing has been billed yet.'
          : rows.map((row, i) => bookText(row, views[i], config)).join('\n\n'),
      );
    } finally {
      chain?.close();
    }
    return 0;
  });

function chainData(view: ChainAnswer<ChainView> | undefined): object | null {
  if (!view) return null;
  if (!view.ok) return { ok: false, code: view.code, reason: view.reason };
  const { block, head, nonce, baseFee, tip } = view.value;
  return { ok: true, block, posted: head.toSeq, nonce, baseFee: String(baseFee), tip: String(tip) };
}

function bookText(row: LedgerRow, view: ChainAnswer<ChainView> | undefined, config: Config): string {
  const waiting = row.receipts - row.posted;
  const where = row.chain_id === 0 ? 'no chain' : `ledger ${row.ledger} on chain ${row.chain_id}`;
  return [
    `device    ${row.device}, ${where}`,
    `receipts  ${count(row.receipts)} made, ${count(row.posted)} posted, ${count(row.final)} final`,
    `waiting   ${waiting === 0 ? 'none' : `${count(waiting)}${row.oldest === null ? '' : `, the oldest for ${ago(Date.now() - row.oldest)}`}: ${whyWaiting(row, view, config)}`}`,
    `fees      ${count(row.transactions)} transactions, ${count(row.gas)} gas, at most ${aimx(row.fees)} of the chain's coin`,
    `chain     ${chainText(view)}`,
  ].join('\n');
}

function whyWaiting(row: LedgerRow, view: ChainAnswer<ChainView> | undefined, config: Config): string {
  if (row.chain_id === 0) return 'the configuration names no chain; they are kept here';
  if (!view) return 'the configuration names another chain or ledger now';
  if (!view.ok) return `the chain cannot be used: ${view.reason}`;
  if (row.state !== null) return `a batch is ${row.state.toLowerCase()}`;
  const { maxReceipts, maxAge, idle } = config.billing!.batch;
  const due = row.oldest === null ? '' : `, at the latest ${instant(row.oldest + maxAge)}`;
  return `a batch goes out at ${count(maxReceipts)} receipts${idle ? `, or ${durationText(idle)} after the last` : ''}${due}`;
}

function chainText(view: ChainAnswer<ChainView> | undefined): string {
  if (!view) return 'not asked';
  if (!view.ok) return `${view.code}: ${view.reason}`;
  const { block, head, baseFee, tip } = view.value;
  return `block ${count(block)} has ${count(head.toSeq)} receipts of this device; ${gwei(baseFee + tip)} gwei a gas now`;
}

const gwei = (wei: bigint): string => String(Number((Number(wei) / 1e9).toPrecision(3)));

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
