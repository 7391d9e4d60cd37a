import type { EscrowAction, EscrowState, EscrowTerms } from '../../gateway/ports/escrow.ts';
import { type AbiValue, decodeValues, encodeCall } from './abi.ts';

/** Call data of the payer's side of the ledger, and what its views answer. */

const CONFIG = '(address,address,address,address,address,uint32,uint32,bytes32)';

/** Gas that each action may use: well above what it takes, so that none runs dry. */
const GAS: Readonly<Record<EscrowAction['kind'], number>> = {
  approve: 80_000,
  deposit: 220_000,
  'permit-deposit': 280_000,
  thaw: 120_000,
  withdraw: 150_000,
  challenge: 180_000,
};

const config = (terms: EscrowTerms): AbiValue[] => [
  ...[terms.payer, terms.payerSigner, terms.provider, terms.device, terms.token],
  ...[terms.withdrawDelay, terms.disputeWindow, terms.salt],
];

/** Where an action's call goes, its data, and the gas it may use. */
export function encodeAction(
  action: EscrowAction,
  ledger: string,
): { readonly to: string; readonly data: Uint8Array; readonly gasLimit: number } {
  return {
    to: action.kind === 'approve' ? action.token : ledger,
    data: Buffer.from(callOf(action, ledger).slice(2), 'hex'),
    gasLimit: GAS[action.kind],
  };
}

function callOf(action: EscrowAction, ledger: string): string {
  switch (action.kind) {
    case 'approve':
      return encodeCall('approve(address,uint256)', ledger, action.amount);
    case 'deposit':
    case 'thaw':
      return encodeCall(`${action.kind}(${CONFIG},uint128)`, config(action.terms), action.amount);
    case 'withdraw':
      return encodeCall(`withdraw(${CONFIG})`, config(action.terms));
    case 'permit-deposit': {
      const { terms, amount, deadline, permit } = action;
      const signature = [permit[64]!, permit.subarray(0, 32), permit.subarray(32, 64)];
      const types = `(${CONFIG},uint128,uint256,uint8,bytes32,bytes32)`;
      return encodeCall(`depositWithPermit${types}`, config(terms), amount, deadline, ...signature);
    }
    case 'challenge': {
      const { seq, cumulative, receiptHash, signature } = action.head;
      const types = `(${CONFIG},(uint64,uint128,bytes32,bytes))`;
      return encodeCall(`challenge${types}`, config(action.terms), [seq, cumulative, receiptHash, signature]);
    }
  }
}

const CHANNEL = '(uint128,uint128,uint128,uint64,uint64,uint128,uint64,bool,bytes32)';

/** What `channelOf` answered. Throws a RangeError when it is no ledger's answer. */
export function readChannel(data: string): EscrowState {
  const fields = decodeValues(CHANNEL, data);
  const [balance, paid, held, heldSeq, releaseAt, thawing, thawAt] = fields as bigint[];
  return {
    opened: fields[7] as boolean,
    ...{ balance: balance!, paid: paid!, held: held!, thawing: thawing! },
    ...{ heldSeq: Number(heldSeq), releaseAt: Number(releaseAt), thawAt: Number(thawAt) },
    heldHash: new Uint8Array(Buffer.from((fields[8] as string).slice(2), 'hex')),
  };
}
