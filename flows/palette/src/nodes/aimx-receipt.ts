import { asError } from '../gateway/errors.ts';
import type { FlowNode, NodeConfig, Red } from '../red.ts';
import { sumOf } from './common/amount.ts';
import { type Attached, attach, statusOf } from './common/attach.ts';
import { Poll } from './common/poll.ts';

interface ReceiptConfig extends NodeConfig {
  /** `consumer/<name>`, `pipeline/<id>`; empty: `msg.account`, or all. */
  readonly account: string;
  /** `ask`: the newest at each message; `watch`: each as it is written. */
  readonly mode: 'ask' | 'watch';
  readonly limit: string;
}

/** A receipt as the gateway shows it; amounts are decimal texts in whole tokens. */
interface Receipt {
  /** Book and ordinal, the same for ever. */
  readonly place: string;
  readonly account: string;
  readonly amount: string;
  readonly time: number;
}

const SYMBOL = 'AIMX';
const WATCH_MS = 1000;
/** Receipts of a look, at most; of the first looks for what is new, before more are asked for. */
const MOST = 1000;
const FEW = 50;

/** What was used and what it costs. */
export default function register(red: Red): void {
  red.nodes.registerType('aimx-receipt', function (this: FlowNode, config: ReceiptConfig) {
    red.nodes.createNode(this, config);
    const attached = attach(red, this, config, false);
    if (!attached) return;
    if (config.mode === 'watch') watch(this, attached, config);
    this.on('input', (message, send, done) => {
      const account = config.account || (typeof message.account === 'string' ? message.account : '');
      const limit = Math.min(Math.max(Math.floor(Number(config.limit)) || 100, 1), MOST);
      read(attached, account, limit).then(
        (receipts) => {
          attached.line.good();
          const amount = sumOf(receipts.map((receipt) => receipt.amount));
          message.payload = receipts;
          message.total = { receipts: receipts.length, amount, symbol: SYMBOL, text: `${amount} ${SYMBOL}` };
          send(message);
          done();
        },
        (cause: unknown) => {
          attached.line.bad(statusOf(cause));
          done(asError(cause));
        },
      );
    });
  });
}

/** Newest first. */
async function read({ client }: Attached, account: string, limit: number): Promise<Receipt[]> {
  const of = account ? `&account=${encodeURIComponent(account)}` : '';
  return await client.api.get<Receipt[]>(`/api/v1/receipts?limit=${limit}${of}`);
}

/** Begins behind the newest receipt there is. */
function watch(node: FlowNode, attached: Attached, { account }: ReceiptConfig): void {
  /** Of the newest receipt that was told; empty: there was none. */
  let last: string | undefined;
  let told = 0;
  const fresh = async (): Promise<Receipt[]> => {
    for (const limit of [FEW, MOST]) {
      const newest = await read(attached, account, limit);
      const at = newest.findIndex(({ place }) => place === last);
      if (at >= 0) return newest.slice(0, at);
      if (newest.length < limit) return newest;
      if (limit === MOST)
        node.warn(`more than ${MOST} receipts since the last look; older ones are left out`);
      if (limit === MOST) return newest;
    }
    return [];
  };
  const poll = new Poll(WATCH_MS, async () => {
    try {
      if (last === undefined) last = (await read(attached, account, 1))[0]?.place ?? '';
      else {
        const receipts = await fresh();
        last = receipts[0]?.place ?? last;
        for (const receipt of receipts.reverse()) {
          const { account: topic, time, amount } = receipt;
          told++;
          node.send({ topic, payload: { ...receipt, text: `${amount} ${SYMBOL}` }, account: topic, time });
        }
      }
      attached.line.good('receipts', { count: told });
    } catch (cause) {
      attached.line.bad(statusOf(cause));
    }
  });
  attached.onClose(() => poll.stop());
}
