import { hash } from 'node:crypto';
import { rateOf } from '../../gateway/billing/channels/evidence.ts';
import { keccak, toHex, utf8, ZERO_WORD } from '../../gateway/billing/formats/bytes.ts';
import { canonicalJson } from '../../gateway/billing/formats/canonical-json.ts';
import { channelId, headDigest, receiptHash, separatorOf } from '../../gateway/billing/formats/documents.ts';
import type { ReceiptEvidence, SignedStatement } from '../../gateway/billing/formats/wire.ts';
import { deviceSigner } from '../../gateway/billing/keys/device-key.ts';
import { ioHash, parseUsage, usageText } from '../../gateway/billing/metering/measure.ts';
import { type Counted, type Quantities, rate, type Tariff } from '../../gateway/billing/tariff/tariff.ts';
import type { EscrowTerms } from '../../gateway/ports/escrow.ts';

export const key = (name: string) => deviceSigner(keccak(Buffer.from(name)));
export const DEVICE = key('device of the payer tests');
export const SESSION = key('session of the payer tests');
export const WALLET = key('wallet of the payer tests');
export const LEDGER = { chainId: 31337, address: `0x${'1e'.repeat(20)}` };
export const TERMS: EscrowTerms = {
  payer: WALLET.address,
  payerSigner: SESSION.address,
  provider: `0x${'aa'.repeat(20)}`,
  device: DEVICE.address,
  token: `0x${'70'.repeat(20)}`,
  withdrawDelay: 604_800,
  disputeWindow: 86_400,
  salt: toHex(keccak(Buffer.from('salt'))),
};
export const SEPARATOR = separatorOf(LEDGER);
export const CHANNEL = channelId(SEPARATOR, TERMS);

export const sha = (text: string): Uint8Array => hash('sha256', text, 'buffer');

export interface Sold {
  readonly evidence: ReceiptEvidence;
  readonly request: string;
  readonly answer: string;
}

/** A gateway that bills as it should: receipts of one channel, one after another. */
export class Seller {
  #tariff: Tariff;
  #seq = 0;
  #cumulative = 0n;
  #hash: Uint8Array = ZERO_WORD;
  #counted: Counted | undefined;

  constructor(tariff: Tariff) {
    this.#tariff = tariff;
  }

  changeTariff(tariff: Tariff): void {
    this.#tariff = tariff;
  }

  /** @param hashes of request and answer, where they are not the texts that are made up here */
  sell(
    requestId: string,
    more: Quantities = {},
    startedAt = 1_800_000_000_000,
    hashes?: { readonly request: Uint8Array; readonly answer: Uint8Array },
  ): Sold {
    const [request, answer] = [`request ${requestId}`, `answer ${requestId}`];
    const [requestHash, answerHash] = [hashes?.request ?? sha(request), hashes?.answer ?? sha(answer)];
    const used = {
      inference: 1,
      compute_us: 1500,
      byte_in: request.length,
      byte_out: answer.length,
      ...more,
    };
    const { amount, before, after } = rate(this.#tariff, this.#counted, used, startedAt);
    this.#counted = after ?? this.#counted;
    this.#cumulative += amount;
    const model = { name: 'room-comfort', sha256: 'ab'.repeat(32), version: '1' };
    const usage = usageText(used, before);
    const salt = sha(`salt ${requestId}`);
    const receipt = {
      channelId: CHANNEL,
      seq: ++this.#seq,
      prevHash: this.#hash,
      requestId,
      tariffHash: this.#tariff.hash,
      modelHash: keccak(utf8(canonicalJson(model))),
      usageHash: keccak(utf8(usage)),
      ioHash: ioHash(salt, requestHash, answerHash),
      startedAtMs: startedAt,
      computeUs: used.compute_us,
      amount,
      cumulative: this.#cumulative,
    };
    this.#hash = receiptHash(SEPARATOR, receipt);
    const { used: stated, before: earlier } = parseUsage(usage);
    const evidence: ReceiptEvidence = {
      ...{ receipt, model, salt, requestHash, answerHash, hash: this.#hash },
      usage: earlier ? { ...stated, before: earlier } : stated,
      ...rateOf(this.#tariff.json),
    };
    return { evidence, request, answer };
  }
}

/** What the device signs about a receipt. */
export function headOf({ receipt, hash: receiptHashOf }: ReceiptEvidence): SignedStatement {
  return sign({ seq: receipt.seq, cumulative: receipt.cumulative, receiptHash: receiptHashOf });
}

export const sign = (head: Omit<SignedStatement, 'signature'>): SignedStatement => ({
  ...head,
  signature: DEVICE.sign(headDigest(SEPARATOR, { channelId: CHANNEL, ...head })),
});
