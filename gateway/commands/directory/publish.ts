import { toHex } from '../../billing/formats/bytes.ts';
import { openKeystore } from '../../billing/keys/keystore.ts';
import type { Config } from '../../config/schema.ts';
import { parseDuration } from '../../config/units.ts';
import { encodeGeohash } from '../../directory/geohash.ts';
import { signDelisting, signListing } from '../../directory/listing.ts';
import { GatewayError } from '../../errors.ts';
import { scanBundles } from '../../inference/registry.ts';
import type { Directory, Listing } from '../../ports/directory.ts';
import { bundledModels } from '../../system/version.ts';
import type { CommandContext, ExitCode } from '../command.ts';
import { answered, chainOf } from '../ledger/chain-of.ts';
import { tariffOf } from '../ledger/tariff-of.ts';
import type { Subcommand } from '../subcommands.ts';
import { instant } from '../ui/format.ts';
import { placeOf, withDirectory } from './place.ts';

const DEFAULT_PRECISION = '5';
const DEFAULT_VALID = '90d';
/** What the contract takes. */
const MAX_MODELS = 64;
const MAX_VALID_MS = 400 * 86_400_000;

/** `directory publish`: lists this gateway, or changes what its entry says. */
export const publish: Subcommand = async (context) => {
  const { config } = context.config({ quiet: true, checkFiles: false });
  const signer = await openKeystore(chainOf(config));
  return await withDirectory(config, async (directory): Promise<ExitCode> => {
    const listing = await listingOf(context, config, directory, signer.address);
    const sent = answered(await directory.list(listing, signListing(directory, listing, signer), signer));
    context.print({ listing, ...sent }, () =>
      [
        `Listed ${listing.endpoint} at ${listing.geohash} until ${instant(listing.validUntil * 1000)}`,
        `serving ${listing.models.join(', ') || 'no models'}`,
        `in block ${sent.block}, ${sent.gasUsed} gas, transaction ${sent.transaction}`,
      ].join('\n'),
    );
    return 0;
  });
};

/** `directory delist`: removes this gateway. */
export const delist: Subcommand = async (context) => {
  const { config } = context.config({ quiet: true, checkFiles: false });
  const signer = await openKeystore(chainOf(config));
  return await withDirectory(config, async (directory): Promise<ExitCode> => {
    const { address } = signer;
    const nonce = answered(await directory.nonceOf(address)) + 1;
    const signature = signDelisting(directory, address, nonce, signer);
    const sent = answered(await directory.delist(address, nonce, signature, signer));
    context.print({ device: address, ...sent }, () => `Removed ${address} in block ${sent.block}`);
    return 0;
  });
};

async function listingOf(
  context: CommandContext,
  config: Config,
  directory: Directory,
  device: string,
): Promise<Listing> {
  const valid = durationOf(context.option('valid') ?? DEFAULT_VALID);
  const precision = context.option('precision') ?? DEFAULT_PRECISION;
  if (!/^([1-9]|1[0-2])$/.test(precision)) throw usage('--precision', precision, '1 to 12');
  const { token } = chainOf(config);
  if (!token) throw usage('billing.chain.token', 'nothing', 'the address of the token that prices are in');
  return {
    device,
    provider: providerOf(context, config, device),
    token: token.toLowerCase(),
    geohash: encodeGeohash(placeOf(context, 'at', config), Number(precision)),
    tariffHash: toHex(tariffOf(config).hash),
    nonce: answered(await directory.nonceOf(device)) + 1,
    validUntil: Math.floor((Date.now() + valid) / 1000),
    endpoint: endpointOf(context.option('endpoint')),
    models: modelsOf(context, config),
  };
}

function providerOf(context: CommandContext, config: Config, device: string): string {
  const provider = context.option('provider') ?? config.billing?.provider ?? device;
  if (/^0x[0-9a-fA-F]{40}$/.test(provider)) return provider.toLowerCase();
  throw usage('--provider', provider, 'an address');
}

function endpointOf(text: string | undefined): string {
  const url = text !== undefined && URL.canParse(text) ? new URL(text) : undefined;
  if (url && (url.protocol === 'https:' || url.protocol === 'http:') && !url.username) return text!;
  throw usage('--endpoint', text ?? 'empty', 'the URL under which others reach this gateway');
}

function modelsOf(context: CommandContext, config: Config): string[] {
  const named = context.option('models');
  if (named !== undefined) return named.split(',').map((name) => name.trim());
  const { bundles } = scanBundles([bundledModels(), config.models.dir!]);
  const names = bundles.map(({ manifest }) => `${manifest.name}@${manifest.version}`);
  return [...new Set(names)].slice(0, MAX_MODELS);
}

function durationOf(text: string): number {
  const ms = parseDuration(text);
  if (ms && ms <= MAX_VALID_MS) return ms;
  throw usage('--valid', text, 'a duration up to 400d');
}

const usage = (option: string, received: string, expected: string): GatewayError =>
  new GatewayError('USAGE', `${option} cannot be ${received}`, { received, expected });
