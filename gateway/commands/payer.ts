import type { Command } from './command.ts';
import { challenge, deposit, open, thaw, withdraw } from './payer/chain.ts';
import { init } from './payer/init.ts';
import { limits, resume, tariff } from './payer/owner.ts';
import { run } from './payer/run.ts';
import { status } from './payer/status.ts';
import { runSubcommand } from './subcommands.ts';

const TEXT = { type: 'string' } as const;
const FLAG = { type: 'boolean' } as const;

/** `payer …`: the consumer's side of billing. */
export const payer: Command = {
  name: 'payer',
  summary: 'pay gateways for inference: open, deposit, run, limits, status …',
  usage: [
    'payer init [--dir DIR]',
    'payer open --gateway URL --rpc URL --deposit AMOUNT [--permit | --approve]',
    'payer deposit [CHANNEL] AMOUNT',
    'payer run MODEL [FILE] [--channel CHANNEL] [--mqtt URL]',
    'payer run --keep [--channel CHANNEL] [--mqtt URL]',
    'payer status [CHANNEL]',
    'payer limits [--per-hour AMOUNT] [--total AMOUNT] [--for-gateway ADDRESS=AMOUNT] [--for-model NAME=AMOUNT]',
    'payer tariff [CHANNEL] [--accept]',
    'payer resume [CHANNEL]',
    'payer challenge [CHANNEL]',
    'payer thaw [CHANNEL] AMOUNT',
    'payer withdraw [CHANNEL]',
  ],
  help: `
A payer has a folder (--dir, default ./payer): its books, and two keys with their passphrase. The wallet holds tokens and opens channels; the
session key signs what may be spent (ceilings) and what was received (acknowledgements), within the limits you set.

init makes the keys and prints the wallet's address: send it AIMX, and some of the chain's coin for gas. open agrees to the gateway's
tariff, makes a channel with it and pays the deposit in; --permit and --approve choose how the token is told, by default what it can do.
run sends the requests of FILE, or of standard input, one JSON document a line as for POST /v2/models/MODEL/infer, prints the answers one a
line, checks each receipt, acknowledges and raises the ceiling in time. --window N (default 100) is how many inferences the gateway may be
ahead; --concurrency, --patience 60s. --top-up AMOUNT fills the escrow again when less than that window is left, as far as limits allow. With --keep it sends nothing and keeps channels in order for other clients until it is stopped.
status reads the books alone; --chain looks at the ledger too.
limits shows what may be signed, or sets it: an amount of AIMX, or none. --for-model limits what receipts of a model may cost.
resume goes on with a channel that was stopped because of a false receipt: everything that was not checked is asked for again.
challenge looks for a claim on the ledger that the device's own heads contradict, and refutes it; run does that by itself.
thaw announces that you take AMOUNT back; after the channel's delay withdraw pays it out.

CHANNEL is the beginning of a channel's id; it can be left out where there is one. --rpc URL once is remembered. --token-file FILE, --user NAME and
--password-file FILE log in at the gateway. --max-fee-gwei N (default 200) is what a gas may cost.`,
  options: {
    ...{ dir: TEXT, channel: TEXT, gateway: TEXT, rpc: TEXT, mqtt: TEXT, deposit: TEXT },
    ...{ provider: TEXT, device: TEXT, ledger: TEXT, token: TEXT, 'chain-id': TEXT, confirmations: TEXT },
    ...{ permit: FLAG, approve: FLAG, chain: FLAG, keep: FLAG, accept: FLAG, 'no-wait': FLAG },
    ...{ 'token-file': TEXT, user: TEXT, 'password-file': TEXT, 'passphrase-file': TEXT, client: TEXT },
    ...{
      'top-up': TEXT,
      window: TEXT,
      'valid-for': TEXT,
      concurrency: TEXT,
      patience: TEXT,
      'max-fee-gwei': TEXT,
    },
    ...{ 'withdraw-delay': TEXT, 'dispute-window': TEXT, 'settle-every': TEXT, 'watch-every': TEXT },
    ...{ 'per-hour': TEXT, total: TEXT, 'for-gateway': TEXT, 'for-model': TEXT },
  },
  longRunning: true,
  run: (context) =>
    runSubcommand('payer', context, {
      ...{ init, open, deposit, run, status, limits, tariff, resume, challenge, thaw, withdraw },
    }),
};
