import { type Contract, keccak256, type TypedDataDomain, toUtf8Bytes, type Wallet } from 'ethers';
import { BILLING_TYPES, billingDomain, type DocumentType } from '../../gateway/billing/formats/documents.ts';
import type { TestChain } from './open-chain.ts';

export const HOUR = 3600;
export const DAY = 24 * HOUR;

/** A 32-byte word that differs from others. */
export const word = (name: string): string => keccak256(toUtf8Bytes(name));

export interface Terms {
  payer: string;
  payerSigner: string;
  provider: string;
  device: string;
  token: string;
  withdrawDelay: number;
  disputeWindow: number;
  salt: string;
}

export interface Statement {
  channelId: string;
  seq: number;
  cumulative: bigint;
  receiptHash: string;
}

/** A chain with token and ledger, a payer with money, and one channel's terms. */
export interface Setting {
  readonly chain: TestChain;
  readonly token: Contract;
  readonly ledger: Contract;
  readonly domain: TypedDataDomain;
  readonly payer: Wallet;
  /** The payer's session key. */
  readonly session: Wallet;
  readonly provider: Wallet;
  readonly device: Wallet;
  readonly guardian: Wallet;
  readonly terms: Terms;
  readonly id: string;
  /** Tokens of the ledger itself. */
  escrow(): Promise<bigint>;
  balance(of: Wallet): Promise<bigint>;
  deposit(amount: bigint, terms?: Terms): Promise<void>;
  statement(seq: number, cumulative: bigint, id?: string): Statement;
  sign(type: DocumentType, document: object, signer: Wallet): Promise<string>;
  /** A row for `settle`. */
  acknowledged(statement: Statement, terms?: Terms, signer?: Wallet): Promise<object>;
  /** A device-signed head as an argument of `claim` and `challenge`. */
  stated(statement: Statement, signer?: Wallet): Promise<object>;
  allowed(maxCumulative: bigint, validUntil: number, signer?: Wallet): Promise<object>;
}

/** Deploys token and ledger anew on a chain. */
export async function setting(chain: TestChain): Promise<Setting> {
  const names = ['payer', 'session', 'provider', 'device', 'guardian'] as const;
  const wallets: Record<string, Wallet> = {};
  for (const name of names) wallets[name] = await chain.account(name);
  const { payer, session, provider, device, guardian } = wallets as Record<(typeof names)[number], Wallet>;
  const token = await chain.deploy('AIMX', payer, payer.address);
  const ledger = await chain.deploy('EdgeLedger', device, guardian.address);
  const address = (await ledger.getAddress()).toLowerCase();
  const domain = billingDomain({ chainId: chain.devchain.chainId, address }) as TypedDataDomain;
  await chain.send(token, payer, 'approve', address, 2n ** 255n);
  const terms: Terms = {
    payer: payer.address,
    payerSigner: session.address,
    provider: provider.address,
    device: device.address,
    token: await token.getAddress(),
    withdrawDelay: 7 * DAY,
    disputeWindow: DAY,
    salt: word('salt'),
  };
  const id = (await ledger.channelId!(terms)) as string;
  const sign: Setting['sign'] = (type, document, signer) =>
    signer.signTypedData(domain, { [type]: [...BILLING_TYPES[type]] }, document as Record<string, unknown>);
  return {
    chain,
    token,
    ledger,
    domain,
    payer,
    session,
    provider,
    device,
    guardian,
    terms,
    id,
    sign,
    escrow: () => token.balanceOf!(address),
    balance: (of) => token.balanceOf!(of.address),
    async deposit(amount, of = terms) {
      await chain.send(ledger, payer, 'deposit', of, amount);
    },
    statement: (seq, cumulative, of = id) => ({
      channelId: of,
      seq,
      cumulative,
      receiptHash: word(`receipt ${seq}`),
    }),
    async acknowledged(statement, of = terms, signer = session) {
      const signature = await sign('Ack', statement, signer);
      const { seq, cumulative, receiptHash } = statement;
      return { config: of, seq, cumulative, receiptHash, ...compact(signature) };
    },
    async stated({ channelId, ...rest }, signer = device) {
      return { ...rest, signature: await sign('Head', { channelId, ...rest }, signer) };
    },
    async allowed(maxCumulative, validUntil, signer = session) {
      const document = { channelId: id, maxCumulative, validUntil };
      return { maxCumulative, validUntil, signature: await sign('Ceiling', document, signer) };
    },
  };
}

/** EIP-2098. */
function compact(signature: string): { r: string; vs: string } {
  const s = BigInt(`0x${signature.slice(66, 130)}`) | (signature.endsWith('1c') ? 1n << 255n : 0n);
  return { r: signature.slice(0, 66), vs: `0x${s.toString(16).padStart(64, '0')}` };
}
