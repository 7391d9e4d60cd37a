import type { ChainAnswer } from '../../gateway/ports/chain.ts';
import type {
  AcknowledgedRow,
  ChannelLedger,
  ChannelsView,
  OpenedChannel,
  OpenedPage,
  PayoutAction,
} from '../../gateway/ports/channel-ledger.ts';
import type { EscrowTerms } from '../../gateway/ports/escrow.ts';
import { type AbiValue, decodeValues, encodeCall, topicOf } from './abi.ts';
import { readChannel } from './escrow-abi.ts';
import type { JsonRpc, RpcCall, RpcResult } from './rpc.ts';
import { signTransaction } from './transaction.ts';

/** The provider's side of the ledger on an EVM chain. */
export interface ChannelLedgerOptions {
  readonly rpc: JsonRpc;
  readonly chainId: number;
  /** Lower case. */
  readonly ledger: string;
  /** Blocks that count as final where the node knows no `finalized` block. */
  readonly confirmations: number;
}

const CONFIG = '(address,address,address,address,address,uint32,uint32,bytes32)';
const ROWS = `(${CONFIG},uint64,uint128,bytes32,bytes32,bytes32)[]`;
const OPENED = topicOf(
  'ChannelOpened(bytes32,address,address,address,address,address,uint32,uint32,bytes32)',
);
/** Public nodes answer about this many blocks at a time. */
const SPAN = 5_000;

/** Gas: well above what each takes (asserted in test/contracts-evm), so that none runs dry. */
const GAS = { post: 150_000, settle: 60_000, row: 75_000, claim: 200_000, release: 130_000 };

export function createChannelLedger(options: ChannelLedgerOptions): ChannelLedger {
  const { rpc, chainId, ledger, confirmations } = options;

  /** Numbers of the newest and the newest final block, and the newest's time. */
  const blocks = async () => {
    const [chain, latest, finalized] = await rpc.batch([
      { method: 'eth_chainId', params: [] },
      { method: 'eth_getBlockByNumber', params: ['latest', false] },
      { method: 'eth_getBlockByNumber', params: ['finalized', false] },
    ]);
    const id = Number(resultOf(chain));
    if (id !== chainId) throw new Error(`the node serves chain ${id}, not ${chainId}`);
    const newest = resultOf(latest) as { number: string; timestamp: string };
    const block = Number(newest.number);
    const known = finalized && 'result' in finalized ? (finalized.result as { number: string } | null) : null;
    const final = known ? Number(known.number) : Math.max(0, block - confirmations);
    return { block, final, time: Number(newest.timestamp) };
  };

  const opened = async (provider: string, from: number): Promise<OpenedPage> => {
    const { block, final } = await blocks();
    if (from > block) return { channels: [], finalTo: Math.min(from - 1, final), more: false };
    const to = Math.min(block, from + SPAN - 1);
    const filter = {
      address: ledger,
      fromBlock: quantity(from),
      toBlock: quantity(to),
      topics: [OPENED, null, null, `0x${provider.slice(2).padStart(64, '0')}`],
    };
    const logs = (await rpc.call('eth_getLogs', [filter])) as { topics: string[]; data: string }[];
    return { channels: logs.map(readOpened), finalTo: Math.min(to, final), more: to < block };
  };

  const look = async (ids: readonly Uint8Array[]): Promise<ChannelsView> => {
    const { block, final, time } = await blocks();
    const at = (number: number) =>
      ids.map(
        (id): RpcCall => ({
          method: 'eth_call',
          params: [{ to: ledger, data: encodeCall('channelOf(bytes32)', id) }, quantity(number)],
        }),
      );
    const answers = await rpc.batch([...at(block), ...at(final)]);
    const latest = answers.slice(0, ids.length).map((answer) => readChannel(resultOf(answer) as string));
    const old = answers.slice(ids.length);
    // Before the ledger was deployed there is nothing to read; a pruned node answers with an error.
    const known = old.every((answer) => 'result' in answer && answer.result !== '0x');
    return {
      ...{ block, time, latest },
      final: known ? old.map((answer) => readChannel(resultOf(answer) as string)) : undefined,
    };
  };

  return {
    opened: (provider, from) => guarded(() => opened(provider, from)),
    look: (ids) => guarded(() => look(ids)),
    gasOf,
    check: (action, from) =>
      guarded(async () => {
        const gas = quantity(gasOf(action));
        const params = [{ from, to: ledger, data: callOf(action), gas }, 'latest'];
        const [answer] = await rpc.batch([{ method: 'eth_call', params }]);
        return answer && 'error' in answer ? answer.error.message : null;
      }),
    sign: (action, { nonce, maxFee, tip }, signer) =>
      signTransaction(
        {
          ...{ chainId, nonce, maxFee, tip, gasLimit: gasOf(action) },
          to: Buffer.from(ledger.slice(2), 'hex'),
          data: Buffer.from(callOf(action).slice(2), 'hex'),
        },
        signer,
      ),
  };
}

function gasOf(action: PayoutAction): number {
  switch (action.kind) {
    case 'claim':
      return GAS.claim;
    case 'release':
      return GAS.release;
    case 'settle':
      return GAS.settle + GAS.row * action.rows.length;
    case 'post-and-settle':
      return GAS.post + GAS.settle + GAS.row * action.rows.length;
  }
}

function callOf(action: PayoutAction): string {
  switch (action.kind) {
    case 'settle':
      return encodeCall(`settle(${ROWS})`, action.rows.map(rowOf));
    case 'release':
      return encodeCall(`release(${CONFIG})`, configOf(action.terms));
    case 'post-and-settle': {
      const { prevHead, root, toSeq, total } = action.post;
      return encodeCall(
        `postAndSettle(address,bytes32,bytes32,uint64,uint128,bytes,${ROWS})`,
        ...[action.device, prevHead, root, toSeq, total, action.signature, action.rows.map(rowOf)],
      );
    }
    case 'claim': {
      const { seq, cumulative, receiptHash, signature } = action.head;
      return encodeCall(
        `claim(${CONFIG},(uint64,uint128,bytes32,bytes),(uint128,uint64,bytes))`,
        configOf(action.terms),
        [seq, cumulative, receiptHash, signature],
        [action.maxCumulative, action.validUntil, action.signature],
      );
    }
  }
}

const configOf = (terms: EscrowTerms): AbiValue[] => [
  ...[terms.payer, terms.payerSigner, terms.provider, terms.device, terms.token],
  ...[terms.withdrawDelay, terms.disputeWindow, terms.salt],
];

/** Signatures as two words (EIP-2098). */
function rowOf({ terms, seq, cumulative, receiptHash, signature }: AcknowledgedRow): AbiValue[] {
  const vs = Buffer.from(signature.subarray(32, 64));
  if (signature[64] === 28) vs[0]! |= 0x80;
  return [configOf(terms), seq, cumulative, receiptHash, signature.subarray(0, 32), vs];
}

function readOpened({ topics, data }: { topics: string[]; data: string }): OpenedChannel {
  const address = (topic: string): string => `0x${topic.slice(26).toLowerCase()}`;
  const fields = decodeValues('(address,address,address,uint32,uint32,bytes32)', data);
  const [payerSigner, device, token, withdrawDelay, disputeWindow, salt] = fields as string[];
  return {
    channelId: new Uint8Array(Buffer.from(topics[1]!.slice(2), 'hex')),
    terms: {
      ...{ payer: address(topics[2]!), provider: address(topics[3]!) },
      ...{ payerSigner: payerSigner!, device: device!, token: token!, salt: salt! },
      ...{ withdrawDelay: Number(withdrawDelay), disputeWindow: Number(disputeWindow) },
    },
  };
}

const quantity = (value: number): string => `0x${value.toString(16)}`;

function resultOf(answer: RpcResult | undefined): unknown {
  if (answer && 'result' in answer && answer.result !== null && answer.result !== undefined)
    return answer.result;
  throw new Error(answer && 'error' in answer ? answer.error.message : 'the node gave no result');
}

async function guarded<T>(ask: () => Promise<T>): Promise<ChainAnswer<T>> {
  try {
    return { ok: true, value: await ask() };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { ok: false, code: 'unreachable', reason };
  }
}
