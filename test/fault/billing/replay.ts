import type { TypedDataDomain, Wallet } from 'ethers';
import {
  BILLING_TYPES,
  billingDomain,
  type DocumentType,
} from '../../../gateway/billing/formats/documents.ts';
import { DAY, type Setting, setting, word } from '../../contracts-evm/channel.ts';
import { revertOf } from '../../contracts-evm/open-chain.ts';
import { onEach, type Row } from './row.ts';

const N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const ZERO = `0x${'0'.repeat(64)}`;

/** What is tried, the named error it must end with, and what it ended with. */
type Try = readonly [what: string, expected: string, got: string];

/** Row 6: every document where it does not belong. */
export const replayRow: Row = {
  number: 6,
  test: 'replay matrix: other chain, contract, voucher, type, high-s, over balance …',
  target: 'all revert with named errors',
  async run(context) {
    const found = await onEach(context, async (chain, engine) => {
      const s = await setting(chain);
      const tries = await matrix(s);
      for (const [what, expected, got] of tries)
        if (expected !== got) context.say(`${engine}: ${what}: ${got}, not ${expected}`);
      return tries;
    });
    const all = found.flat();
    const right = all.filter(([, expected, got]) => expected === got).length;
    const names = new Set(all.map(([, expected]) => expected));
    return {
      passed: right === all.length,
      measured: `${right} of ${all.length} (both machines), ${names.size} different errors`,
    };
  },
};

async function matrix(s: Setting): Promise<Try[]> {
  const tries: Try[] = [];
  const attempt = async (what: string, expected: string, call: Promise<unknown>): Promise<void> => {
    tries.push([what, expected, await revertOf(call)]);
  };
  const send = (from: Wallet, method: string, ...args: unknown[]) =>
    s.chain.send(s.ledger, from, method, ...args);
  const settle = (...rows: object[]) => send(s.device, 'settle', rows);
  const { chainId, address } = { chainId: s.chain.devchain.chainId, address: await s.ledger.getAddress() };
  const domains: Record<string, TypedDataDomain> = {
    'another chain': billingDomain({ chainId: 1, address }) as TypedDataDomain,
    'another ledger': billingDomain({ chainId, address: s.guardian.address }) as TypedDataDomain,
  };
  const signAs = (type: DocumentType, document: object, by: Wallet, domain: TypedDataDomain = s.domain) =>
    by.signTypedData(domain, { [type]: [...BILLING_TYPES[type]] }, document as Record<string, unknown>);
  const row = (of: object, signature: string) => {
    const high = signature.endsWith('1c') ? 1n << 255n : 0n;
    const vs = (BigInt(`0x${signature.slice(66, 130)}`) | high).toString(16).padStart(64, '0');
    return { config: s.terms, ...of, r: signature.slice(0, 66), vs: `0x${vs}` };
  };

  await s.deposit(1000n);
  const until = (await s.chain.now()) + 2 * DAY;
  const good = s.statement(3, 300n);
  for (const [name, domain] of Object.entries(domains)) {
    await attempt(
      `acknowledgement for ${name}`,
      'WrongSigner',
      settle(row(good, await signAs('Ack', good, s.session, domain))),
    );
    const head = { ...good, signature: await signAs('Head', good, s.device, domain) };
    await attempt(
      `head for ${name}`,
      'WrongSigner',
      send(s.device, 'claim', s.terms, head, await s.allowed(900n, until)),
    );
    const limit = { channelId: s.id, maxCumulative: 900n, validUntil: until };
    const ceiling = { ...limit, signature: await signAs('Ceiling', limit, s.session, domain) };
    await attempt(
      `ceiling for ${name}`,
      'WrongSigner',
      send(s.device, 'claim', s.terms, await s.stated(good), ceiling),
    );
    const batch = { prevHead: ZERO, root: word('r'), toSeq: 5, total: 9n };
    const signed = await signAs('Batch', batch, s.device, domain);
    await attempt(
      `batch for ${name}`,
      'WrongSigner',
      send(s.payer, 'postFor', s.device.address, ZERO, word('r'), 5, 9n, signed),
    );
  }

  const asHead = await signAs('Head', good, s.session);
  await attempt('head as acknowledgement', 'WrongSigner', settle(row(good, asHead)));
  const asAck = { ...good, signature: await signAs('Ack', good, s.device) };
  await attempt(
    'acknowledgement as head',
    'WrongSigner',
    send(s.device, 'claim', s.terms, asAck, await s.allowed(900n, until)),
  );
  await attempt(
    'head by the payer',
    'WrongSigner',
    send(s.device, 'claim', s.terms, await s.stated(good, s.session), await s.allowed(900n, until)),
  );
  await attempt(
    'ceiling by the device',
    'WrongSigner',
    send(s.device, 'claim', s.terms, await s.stated(good), await s.allowed(900n, until, s.device)),
  );
  await attempt(
    'acknowledgement by the device',
    'WrongSigner',
    settle(await s.acknowledged(good, s.terms, s.device)),
  );
  await attempt(
    'another amount',
    'WrongSigner',
    settle({ ...(await s.acknowledged(good)), cumulative: 301n }),
  );
  const otherTerms = { ...s.terms, salt: word('other') };
  await s.deposit(10n, otherTerms);
  await attempt(
    'another channel',
    'WrongSigner',
    settle({ ...(await s.acknowledged(good)), config: otherTerms }),
  );
  const stolen = { ...(await s.acknowledged(good)), config: { ...s.terms, provider: s.guardian.address } };
  await attempt(
    'another provider beside the right one',
    'MixedPayout',
    settle(await s.acknowledged(good), stolen),
  );

  const signature = await signAs('Head', good, s.device);
  const flipped = (N - BigInt(`0x${signature.slice(66, 130)}`)).toString(16).padStart(64, '0');
  const high = {
    ...good,
    signature: `${signature.slice(0, 66)}${flipped}${signature.endsWith('1b') ? '1c' : '1b'}`,
  };
  await attempt(
    'high s',
    'ECDSAInvalidSignatureS',
    send(s.device, 'claim', s.terms, high, await s.allowed(900n, until)),
  );
  const short = { ...good, signature: signature.slice(0, 130) };
  await attempt(
    'short signature',
    'ECDSAInvalidSignatureLength',
    send(s.device, 'claim', s.terms, short, await s.allowed(900n, until)),
  );

  await settle(await s.acknowledged(good));
  await attempt('the same voucher again', 'NothingToPay', settle(await s.acknowledged(good)));
  await attempt('an older voucher', 'NothingToPay', settle(await s.acknowledged(s.statement(2, 200n))));
  await settle(await s.acknowledged(s.statement(9, 5000n)));
  await attempt('over the balance', 'NothingToPay', settle(await s.acknowledged(s.statement(10, 6000n))));
  await attempt('withdraw before it thaws', 'TooEarly', send(s.payer, 'withdraw', s.terms));

  const terms = { ...s.terms, salt: word('claims') };
  const claims = (await s.ledger.channelId!(terms)) as string;
  await s.deposit(1000n, terms);
  const limit = { channelId: claims, maxCumulative: 500n, validUntil: until };
  const allowed = { ...limit, signature: await signAs('Ceiling', limit, s.session) };
  const claim = async (seq: number, cumulative: bigint) =>
    send(s.device, 'claim', terms, await s.stated(s.statement(seq, cumulative, claims)), allowed);
  await attempt('over the ceiling', 'OverCeiling', claim(7, 501n));
  await claim(7, 400n);
  await attempt('an older claim', 'StaleClaim', claim(6, 450n));
  await attempt('the same claim', 'StaleClaim', claim(7, 400n));
  await attempt('release before the window ends', 'TooEarly', send(s.provider, 'release', terms));
  const challenge = async (seq: number, cumulative: bigint) =>
    send(s.payer, 'challenge', terms, await s.stated(s.statement(seq, cumulative, claims)));
  await attempt('challenge with the claim itself', 'NoContradiction', challenge(7, 400n));
  await s.chain.advance(3 * DAY);
  await attempt('challenge after the window', 'TooLate', challenge(8, 1n));
  await attempt('a ceiling that is over', 'CeilingExpired', claim(8, 450n));
  await send(s.provider, 'release', terms);
  await attempt('release twice', 'NoClaim', send(s.provider, 'release', terms));

  await send(s.device, 'post', ZERO, word('root'), 10, 100n);
  await attempt('the same batch again', 'StaleHead', send(s.device, 'post', ZERO, word('root'), 10, 100n));
  const { head } = await s.ledger.headOf!(s.device.address);
  await attempt('an empty batch', 'SeqNotAdvanced', send(s.device, 'post', head, word('r2'), 10, 100n));
  await attempt('a falling total', 'TotalDecreased', send(s.device, 'post', head, word('r2'), 11, 99n));
  return tries;
}
