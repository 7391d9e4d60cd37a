import type { Directory, ListedGateway, Listing } from '../../gateway/ports/directory.ts';
import type { AbiResult, AbiValue } from './abi.ts';
import { EvmContract } from './contract.ts';

const LISTING = '(address,address,address,bytes12,bytes32,uint64,uint64,string,string[])';
const ERRORS = [
  'WrongSigner(address,address)',
  'StaleNonce(uint64,uint64)',
  'WrongLifetime(uint64)',
  'WrongGeohash(bytes12)',
  'WrongListing()',
  'ProviderRefuses(address)',
  'NotListed(address)',
];
/** Entries that are asked for at once: an entry of the largest size is 12 kB. */
const PAGE = 100;
/** More entries than these are not read: who wants them runs an indexer. */
const MAX_ENTRIES = 20_000;

/** The directory contract on an EVM chain. Pure constructor; the first call opens the connection. */
export function createEvmDirectory(options: {
  readonly rpcUrl: string;
  readonly chainId: number;
  readonly address: string;
  readonly timeoutMs?: number;
}): Directory {
  const address = options.address.toLowerCase();
  const contract = new EvmContract({ ...options, address, errors: ERRORS });
  return {
    chainId: options.chainId,
    address,
    all: () =>
      contract.look(async (view) => {
        const total = Number((await view('count()', '(uint256)'))[0]);
        const entries: ListedGateway[] = [];
        for (let from = 0; from < Math.min(total, MAX_ENTRIES); from += PAGE) {
          const [page] = await view('page(uint256,uint256)', `((${LISTING},uint128)[])`, from, PAGE);
          entries.push(...(page as AbiResult[][]).map(entryOf));
        }
        return entries;
      }),
    nonceOf: (device) =>
      contract.look(async (view) => Number((await view('nonceOf(address)', '(uint64)', device))[0])),
    list: (listing, signature, payer) =>
      contract.send(payer, `list(${LISTING},bytes)`, valuesOf(listing), signature),
    delist: (device, nonce, signature, payer) =>
      contract.send(payer, 'delist(address,uint64,bytes)', device, nonce, signature),
    close: () => contract.close(),
  };
}

function valuesOf({ geohash, ...l }: Listing): AbiValue[] {
  const padded = Buffer.alloc(12);
  padded.set(Buffer.from(geohash));
  return [l.device, l.provider, l.token, padded, l.tariffHash, l.nonce, l.validUntil, l.endpoint, l.models];
}

function entryOf([listing, bond]: AbiResult[]): ListedGateway {
  const [device, provider, token, geohash, tariffHash, nonce, validUntil, endpoint, models] =
    listing as AbiResult[];
  return {
    bond: bond as bigint,
    listing: {
      device: device as string,
      provider: provider as string,
      token: token as string,
      geohash: Buffer.from((geohash as string).slice(2), 'hex')
        .toString('latin1')
        .replace(/\0+$/, ''),
      tariffHash: tariffHash as string,
      nonce: Number(nonce),
      validUntil: Number(validUntil),
      endpoint: endpoint as string,
      models: models as string[],
    },
  };
}
