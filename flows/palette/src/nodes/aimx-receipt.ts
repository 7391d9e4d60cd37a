import { asError } from '../gateway/errors.ts';
import type { FlowNode, NodeConfig, Red } from '../red.ts';
import { amountText } from './common/amount.ts';
import { type Attached, attach, statusOf } from './common/attach.ts';
import { Poll } from './common/poll.ts';

interface ReceiptConfig extends NodeConfig {
  /** `consumer/<name>`, `pipeline/<id>`; empty: `msg.account`, or all. */
  readonly account: string;
  /** `ask`: the newest at each message; `watch`: each as it is written. */
  readonly mode: 'ask' | 'watch';
  readonly limit: string;
}

/** A receipt as the gateway shows it; amounts are decimal texts in the smallest unit of the token. */
interface Receipt {
  readonly seq: number;
  readonly account: string;
  readonly amount: string;
  readonly time: number;
}

interface Money {
  readonly symbol: string;
  readonly decimals: number;
}

const WATCH_MS = 1000;
const MOST = 1000;

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
      Promise.all([read(attached, account, limit), money(attached)]).then(
        ([receipts, unit]) => {
          attached.line.good();
          const sum = receipts.reduce((all, { amount }) => all + BigInt(amount), 0n);
          message.payload = receipts.map((receipt) => withText(receipt, unit));
          message.total = {
            receipts: receipts.length,
            amount: String(sum),
            text: textOf(sum, unit),
            symbol: unit.symbol,
          };
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

const textOf = (amount: bigint, { symbol, decimals }: Money): string =>
  `${amountText(amount, decimals)} ${symbol}`;

const withText = (receipt: Receipt, unit: Money): object => ({
  ...receipt,
  text: textOf(BigInt(receipt.amount), unit),
});

async function read({ client }: Attached, account: string, limit: number): Promise<Receipt[]> {
  const of = account ? `&account=${encodeURIComponent(account)}` : '';
  return await client.api.get<Receipt[]>(`/api/v1/receipts?limit=${limit}${of}`);
}

async function money({ client }: Attached): Promise<Money> {
  const { billing } = await client.api.get<{ readonly billing: Money | null }>('/api/v1/status');
  return { symbol: billing?.symbol ?? 'AIMX', decimals: billing?.decimals ?? 18 };
}

/** Begins behind the newest receipt there is. */
function watch(node: FlowNode, attached: Attached, { account }: ReceiptConfig): void {
  let last: number | undefined;
  let unit: Money | undefined;
  const poll = new Poll(WATCH_MS, async () => {
    try {
      unit ??= await money(attached);
      const newest = await read(attached, account, last === undefined ? 1 : MOST);
      const fresh = last === undefined ? [] : newest.filter(({ seq }) => seq > last!).reverse();
      if (fresh.length === MOST)
        node.warn(`more than ${MOST} receipts since the last look; the older ones are left out`);
      last = Math.max(last ?? 0, ...newest.map(({ seq }) => seq));
      for (const receipt of fresh) {
        const { account: topic, time } = receipt;
        node.send({ topic, payload: withText(receipt, unit), account: topic, time });
      }
      attached.line.good('receipts', { count: last });
    } catch (cause) {
      attached.line.bad(statusOf(cause));
    }
  });
  attached.onClose(() => poll.stop());
}
