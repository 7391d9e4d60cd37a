import type { Contract, TypedDataDomain, Wallet } from 'ethers';
import { describe, expect, test } from 'vitest';
import { createEvmDirectory } from '../../adapters/evm/directory.ts';
import { seededRandom } from '../../gateway/benchmark/random.ts';
import { fromHex, keccak, toHex } from '../../gateway/billing/formats/bytes.ts';
import { deviceSigner } from '../../gateway/billing/keys/device-key.ts';
import { encodeGeohash } from '../../gateway/directory/geohash.ts';
import { DIRECTORY_TYPES, geohashWord, signDelisting, signListing } from '../../gateway/directory/listing.ts';
import type { Directory, Listing } from '../../gateway/ports/directory.ts';
import { abiOf, revertOf, sharedChain, type TestChain } from './chain.ts';
import { DAY, word } from './channel.ts';

const SEED = Number(process.env.AIMX_SEED ?? 20_261_122);
/** `AIMX_STEPS=2000` for a long look. */
const STEPS = Number(process.env.AIMX_STEPS ?? 60);
const deviceKey = (n: number) => deviceSigner(keccak(Buffer.from(`directory device ${n}`)));

interface Stage {
  readonly chain: TestChain;
  readonly contract: Contract;
  readonly ledger: Contract;
  readonly directory: Directory;
  readonly relay: Wallet;
  readonly provider: Wallet;
  readonly token: string;
  readonly domain: TypedDataDomain;
  listing(change?: Partial<Listing>): Promise<Listing>;
}

async function stage(chain: TestChain): Promise<Stage> {
  const [relay, provider] = [await chain.account('relay'), await chain.account('provider')];
  const ledger = await chain.deploy('EdgeLedger', relay, `0x${'0'.repeat(40)}`);
  const token = await chain.deploy('AIMX', relay, relay.address);
  const contract = await chain.deploy('GatewayDirectory', relay, await ledger.getAddress());
  const address = (await contract.getAddress()).toLowerCase();
  const { rpcUrl, chainId } = chain.devchain;
  return {
    chain,
    contract,
    ledger,
    relay,
    provider,
    token: (await token.getAddress()).toLowerCase(),
    directory: createEvmDirectory({ rpcUrl, chainId, address }),
    domain: { name: 'AIMX Gateway Directory', version: '1', chainId, verifyingContract: address },
    listing: async (change) => ({
      device: deviceKey(0).address,
      provider: provider.address.toLowerCase(),
      token: (await token.getAddress()).toLowerCase(),
      geohash: 'u281z',
      tariffHash: word('tariff'),
      nonce: 1,
      validUntil: (await chain.now()) + 30 * DAY,
      endpoint: 'https://plant-7.example:8080',
      models: ['streaming-anomaly@1.0.0', 'wörd@2'],
      ...change,
    }),
  };
}

const relayer = deviceSigner(fromHex(toHex(Buffer.from('relay'.padEnd(32, '#')))));
const why = (answer: { ok: boolean; reason?: string }): string =>
  answer.ok ? 'taken' : (/(\w+)\(/.exec(answer.reason ?? '')?.[1] ?? String(answer.reason));

describe.each(['anvil', 'ethereumjs'] as const)('the directory on %s', (engine) => {
  const chain = sharedChain(engine);

  test('lists what a device has signed, whoever brings it, and says all of it in an event', async () => {
    const s = await stage(chain());
    const listing = await s.listing();
    const signature = signListing(s.directory, listing, deviceKey(0));
    const theirs = await s.relay.signTypedData(
      s.domain,
      { Listing: [...DIRECTORY_TYPES.Listing] },
      { ...listing, geohash: toHex(geohashWord(listing.geohash)) },
    );
    expect(toHex(signListing(s.directory, listing, relayer))).toBe(theirs);
    const listed = await s.directory.list(listing, signature, relayer);
    expect(listed).toMatchObject({ ok: true });
    expect(await s.directory.all()).toEqual({ ok: true, value: [{ listing, bond: 0n }] });
    expect(await s.directory.nonceOf(listing.device)).toEqual({ ok: true, value: 1 });
    const receipt = await s.chain.provider.getTransactionReceipt(listed.ok ? listed.value.transaction : '');
    const event = abiOf('GatewayDirectory').parseLog(receipt!.logs[0]!)!;
    expect(event.args.toObject()).toMatchObject({
      endpoint: listing.endpoint,
      geohash: toHex(geohashWord(listing.geohash)),
      nonce: 1n,
      validUntil: BigInt(listing.validUntil),
    });
    expect([...(event.args.models as string[])]).toEqual(listing.models);
    s.directory.close();
  });

  test('shows the bond that is at stake, less what is on its way back', async () => {
    const s = await stage(chain());
    const listing = await s.listing();
    await s.directory.list(listing, signListing(s.directory, listing, deviceKey(0)), relayer);
    const token = s.ledger.attach(s.token) as Contract;
    const approve = abiOf('AIMX').encodeFunctionData('approve', [await s.ledger.getAddress(), 1000n]);
    await s.relay.connect(s.chain.provider).sendTransaction({ to: await token.getAddress(), data: approve });
    const bond = [s.provider.address, listing.device, s.token, 900n];
    await s.chain.send(s.ledger, s.relay, 'addBond', ...bond);
    const shown = async () => {
      const answer = await s.directory.all();
      return answer.ok ? answer.value[0]?.bond : answer.reason;
    };
    expect(await shown()).toBe(900n);
    await s.chain.send(s.ledger, s.provider, 'thawBond', listing.device, s.token, 850n);
    expect(await shown()).toBe(50n);
    s.directory.close();
  });

  test('takes no word but the device’s newest one, for this directory on this chain', async () => {
    const s = await stage(chain());
    const list = async (listing: Listing, signature: Uint8Array) =>
      why(await s.directory.list(listing, signature, relayer));
    const first = await s.listing({ nonce: 5 });
    const signed = signListing(s.directory, first, deviceKey(0));
    expect(await list(first, signListing(s.directory, first, deviceKey(1)))).toBe('WrongSigner');
    expect(await list({ ...first, endpoint: 'https://evil.example' }, signed)).toBe('WrongSigner');
    expect(await list({ ...first, models: [...first.models, 'x@1'] }, signed)).toBe('WrongSigner');
    const elsewhere = { ...s.directory, chainId: 1 };
    expect(await list(first, signListing(elsewhere, first, deviceKey(0)))).toBe('WrongSigner');
    const other = { ...s.directory, address: s.token };
    expect(await list(first, signListing(other, first, deviceKey(0)))).toBe('WrongSigner');
    expect(await list(first, signed)).toBe('taken');
    expect(await list(first, signed)).toBe('StaleNonce');
    const older = await s.listing({ nonce: 4 });
    expect(await list(older, signListing(s.directory, older, deviceKey(0)))).toBe('StaleNonce');
    const high = Buffer.from(signed);
    const n = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
    const flipped = (n - BigInt(toHex(signed.subarray(32, 64)))).toString(16).padStart(64, '0');
    high.set(Buffer.from(flipped, 'hex'), 32);
    high[64] = 55 - high[64]!;
    const next = await s.listing({ nonce: 6 });
    expect(await revertOf(s.chain.send(s.contract, s.relay, 'list', tuple(next), high))).toBe(
      'ECDSAInvalidSignatureS',
    );
    s.directory.close();
  });

  test('goes by the device’s word, by its provider’s, and when it is over', async () => {
    const s = await stage(chain());
    const put = async (nonce: number, change: Partial<Listing> = {}) => {
      const listing = await s.listing({ nonce, ...change });
      return why(await s.directory.list(listing, signListing(s.directory, listing, deviceKey(0)), relayer));
    };
    const delist = async (nonce: number, key = deviceKey(0)) =>
      why(
        await s.directory.delist(
          deviceKey(0).address,
          nonce,
          signDelisting(s.directory, deviceKey(0).address, nonce, key),
          relayer,
        ),
      );
    const count = async () => Number(await s.contract.count!());
    expect(await put(1)).toBe('taken');
    expect(await delist(2, deviceKey(1))).toBe('WrongSigner');
    expect(await delist(2)).toBe('taken');
    expect(await count()).toBe(0);
    expect(await put(1)).toBe('StaleNonce');
    expect(await delist(3)).toBe('NotListed');
    expect(await put(3)).toBe('taken');

    // Whoever stole the key cannot list it under this provider again.
    await s.chain.send(s.contract, s.relay, 'bar', deviceKey(0).address, true);
    expect(await count()).toBe(1);
    await s.chain.send(s.contract, s.provider, 'bar', deviceKey(0).address, true);
    expect(await count()).toBe(0);
    expect(await put(4)).toBe('ProviderRefuses');
    await s.chain.send(s.contract, s.provider, 'bar', deviceKey(0).address, false);
    expect(await put(4, { validUntil: (await s.chain.now()) + 100 })).toBe('taken');
    const prune = () => revertOf(s.chain.send(s.contract, s.relay, 'prune', deviceKey(0).address));
    expect(await prune()).toBe('WrongLifetime');
    await s.chain.advance(200);
    expect(await prune()).toBe('no revert');
    expect(await prune()).toBe('NotListed');
    expect(await revertOf(s.contract.entryOf!(deviceKey(0).address))).toBe('NotListed');
    s.directory.close();
  });

  test.each<[string, Partial<Listing>, string]>([
    ['no device', { device: `0x${'0'.repeat(40)}` }, 'WrongListing'],
    ['no provider', { provider: `0x${'0'.repeat(40)}` }, 'WrongListing'],
    ['no endpoint', { endpoint: '' }, 'WrongListing'],
    ['a novel for an endpoint', { endpoint: 'x'.repeat(257) }, 'WrongListing'],
    ['a model without a name', { models: [''] }, 'WrongListing'],
    ['too many models', { models: Array.from({ length: 65 }, (_, i) => `m@${i}`) }, 'WrongListing'],
    ['an end in the past', { validUntil: 1 }, 'WrongLifetime'],
    ['no end in sight', { validUntil: 2 ** 50 }, 'WrongLifetime'],
    ['no geohash', { geohash: '' }, 'WrongGeohash'],
    ['a letter that geohashes lack', { geohash: 'u28a' }, 'WrongGeohash'],
    ['a capital letter', { geohash: 'U28' }, 'WrongGeohash'],
    ['a hole in the geohash', { geohash: 'u\0u' }, 'WrongGeohash'],
  ])('refuses %s', async (_, change, expected) => {
    const s = await shared(chain());
    const listing = await s.listing({ nonce: 900, ...change });
    const signature = signListing(s.directory, listing, deviceKey(0));
    expect(why(await s.directory.list(listing, signature, relayer))).toBe(expected);
  });

  test(`is what a plain list would be, whatever happens (seed ${SEED})`, async () => {
    const s = await stage(chain());
    const random = seededRandom(SEED);
    const pick = (n: number): number => Math.floor(random() * n);
    const model = new Map<number, Listing>();
    const nonces = new Map<number, number>();
    let barred = new Set<number>();
    const outcomes = new Set<string>();
    for (let step = 0; step < (engine === 'anvil' ? STEPS : STEPS / 3); step++) {
      const n = pick(6);
      const nonce = (nonces.get(n) ?? 0) + pick(3);
      const fresh = nonce > (nonces.get(n) ?? 0);
      const device = deviceKey(n).address;
      const signer = pick(8) === 0 ? deviceKey(n + 1) : deviceKey(n);
      const good = fresh && signer.address === device;
      const dice = pick(10);
      if (dice < 6) {
        const place = { latitude: random() * 180 - 90, longitude: random() * 360 - 180 };
        const models = Array.from({ length: pick(4) }, (_, i) => `model-${i}@${step}`);
        const listing = await s.listing({
          device,
          nonce,
          geohash: encodeGeohash(place, 1 + pick(12)),
          models,
        });
        const answer = await s.directory.list(listing, signListing(s.directory, listing, signer), relayer);
        outcomes.add(why(answer));
        expect(answer.ok, `step ${step}`).toBe(good && !barred.has(n));
        if (answer.ok) {
          model.set(n, listing);
          nonces.set(n, nonce);
        }
      } else if (dice < 8) {
        const signature = signDelisting(s.directory, device, nonce, signer);
        const answer = await s.directory.delist(device, nonce, signature, relayer);
        outcomes.add(why(answer));
        expect(answer.ok, `step ${step}`).toBe(good && model.has(n));
        if (answer.ok) {
          model.delete(n);
          nonces.set(n, nonce);
        }
      } else {
        const to = pick(2) === 0;
        await s.chain.send(s.contract, s.provider, 'bar', device, to);
        barred = new Set([...barred].filter((other) => other !== n));
        if (to) barred.add(n);
        if (to) model.delete(n);
      }
      const answer = await s.directory.all();
      const all = answer.ok ? answer.value.map(({ listing }) => listing) : [];
      const inOrder = (list: Iterable<Listing>) => [...list].sort((a, b) => (a.device < b.device ? -1 : 1));
      expect(inOrder(all), `step ${step}`).toEqual(inOrder(model.values()));
    }
    expect(outcomes.size).toBeGreaterThan(2);
    s.directory.close();
  }, 1_000_000);

  /** Refusals change nothing, so they can share contracts. */
  let one: Promise<Stage> | undefined;
  const shared = (on: TestChain): Promise<Stage> => {
    one ??= stage(on);
    return one;
  };
});

const tuple = (l: Listing): unknown[] => [
  ...[l.device, l.provider, l.token, toHex(geohashWord(l.geohash)), l.tariffHash],
  ...[l.nonce, l.validUntil, l.endpoint, l.models],
];
