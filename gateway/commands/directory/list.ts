import { aimx, parseAimx } from '../../billing/formats/amount.ts';
import { firstThat, type NearGateway, nearest } from '../../directory/nearest.ts';
import { asGatewayError, GatewayError } from '../../errors.ts';
import type { CommandContext } from '../command.ts';
import { answered } from '../ledger/chain-of.ts';
import type { Subcommand } from '../subcommands.ts';
import { table } from '../ui/table.ts';
import { placeOf, withDirectory } from './place.ts';
import { askReady } from './ready.ts';

/** `directory list`: gateways that fit, nearest first. Exit code 1 when one that is ready was asked for and there is none. */
export const list: Subcommand = async (context) => {
  const { config } = context.config({ quiet: true, checkFiles: false });
  const near = placeOf(context, 'near', config);
  const model = context.option('model');
  const bond = context.option('min-bond') ?? '0';
  const minBond = parseAimx(bond);
  if (minBond === undefined)
    throw new GatewayError('USAGE', '--min-bond is no amount', {
      received: bond,
      expected: 'AIMX, such as 1.5',
    });
  const entries = answered(await withDirectory(config, (directory) => directory.all()));
  const wanted = { near, now: Date.now(), minBond, ...(model === undefined ? {} : { model }) };
  const found = nearest(entries, wanted);
  const states = context.flag('ready') ? await readiness(found, model) : new Map<NearGateway, string>();
  const inOrder = found.toSorted((a, b) => rank(states.get(a)) - rank(states.get(b)));
  context.print(
    inOrder.map((gateway) => dataOf(gateway, states.get(gateway))),
    () => (found.length === 0 ? 'No gateway fits.' : text(inOrder, states, context)),
  );
  return context.flag('ready') && ![...states.values()].includes('ready') ? 1 : 0;
};

/** Asks one after the other, nearest first, until one is ready. */
async function readiness(
  found: readonly NearGateway[],
  model: string | undefined,
): Promise<Map<NearGateway, string>> {
  const states = new Map<NearGateway, string>();
  const first = await firstThat(
    found,
    (gateway) => askReady(gateway, model),
    (gateway, reason) => states.set(gateway, asGatewayError(reason).message),
  );
  if (first) states.set(first.gateway, 'ready');
  return states;
}

/** The one that is ready, then those that were not asked, then those that are not. */
const rank = (state: string | undefined): number => (state === 'ready' ? 0 : state === undefined ? 1 : 2);

const dataOf = ({ listing, bond, km, errorKm }: NearGateway, state: string | undefined): object => ({
  ...listing,
  bond: String(bond),
  km: Number(km.toFixed(3)),
  errorKm: Number(errorKm.toFixed(3)),
  ...(state === undefined ? {} : { state }),
});

const text = (
  gateways: readonly NearGateway[],
  states: ReadonlyMap<NearGateway, string>,
  context: CommandContext,
): string =>
  table(gateways, [
    { title: 'ENDPOINT', value: ({ listing }) => listing.endpoint },
    { title: 'KM', value: ({ km, errorKm }) => `${round(km)} ± ${round(errorKm)}`, align: 'right' },
    { title: 'BOND', value: ({ bond }) => aimx(String(bond)), align: 'right' },
    { title: 'TARIFF', value: ({ listing }) => `${listing.tariffHash.slice(0, 10)}…` },
    { title: 'DEVICE', value: ({ listing }) => listing.device },
    ...(context.flag('ready')
      ? [{ title: 'STATE', value: (gateway: NearGateway) => states.get(gateway) ?? 'not asked' }]
      : []),
    { title: 'MODELS', value: ({ listing }) => listing.models.join(' ') },
  ]);

const round = (km: number): string => (km < 10 ? km.toFixed(1) : String(Math.round(km)));
