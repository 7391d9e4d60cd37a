import { aimx } from '../../billing/formats/amount.ts';
import { toHex } from '../../billing/formats/bytes.ts';
import { QUANTITIES, type Quantities } from '../../billing/tariff/quantities.ts';
import { quote as priced } from '../../billing/tariff/quote.ts';
import { requireRate, type Tariff } from '../../billing/tariff/tariff.ts';
import { parseDuration } from '../../config/units.ts';
import { GatewayError } from '../../errors.ts';
import type { CommandContext } from '../command.ts';
import { type Subcommand, theWord } from '../subcommands.ts';
import { count, instant } from '../ui/format.ts';
import { tariffOf } from './tariff-of.ts';

/** `ledger quote`: what uses would cost, or a rented share of the accelerator. */
export const quote: Subcommand = async (context, words) => {
  const { config } = context.config({ quiet: true, checkFiles: false });
  const tariff = tariffOf(config);
  const now = Date.now();
  requireRate(tariff, now);
  if (context.option('rent') !== undefined) return quoteRent(context, tariff, now);
  const model = theWord(words, 'ledger quote MODEL');
  const uses = wholeOf('--count', context.option('count') ?? '1');
  const each = { inference: 1, ...quantitiesOf(context.option('use')) };
  const { first, last, total } = priced(tariff, each, uses, now);
  const data = { model, count: uses, each, ...amounts({ first, last, total }), ...of(tariff) };
  context.print(data, () =>
    [
      `${count(uses)} × ${model}: ${context.ui.style.bold(`${data.total} AIMX`)}`,
      ...(uses > 1 ? [`the first ${data.first}, the last ${data.last}`] : []),
      ...about(tariff),
    ].join('\n'),
  );
  return 0;
};

function quoteRent(context: CommandContext, tariff: Tariff, now: number): 0 {
  const share = wholeOf('--rent', context.option('rent')!.replace(/%$/, ''));
  const text = context.option('for') ?? '1h';
  const ms = parseDuration(text);
  if (!ms || share > 100)
    throw usage(
      ms ? '--rent' : '--for',
      ms ? String(share) : text,
      ms ? '1 to 100 percent' : 'a duration such as 1h',
    );
  const seconds = Math.floor((Math.floor(ms / 1000) * share) / 100);
  const { total } = priced(tariff, { rent_s: seconds }, 1, now);
  const data = { rent: share, seconds, ...amounts({ total }), ...of(tariff) };
  context.print(data, () =>
    [
      `${share} % of the accelerator for ${text}, ${count(seconds)} s of it: ${context.ui.style.bold(`${data.total} AIMX`)}`,
      ...about(tariff),
    ].join('\n'),
  );
  return 0;
}

const amounts = <T extends Record<string, bigint>>(of: T) =>
  Object.fromEntries(Object.entries(of).map(([name, units]) => [name, aimx(String(units))])) as {
    [K in keyof T]: string;
  };

const of = ({ hash, currency, exchange }: Tariff) => ({
  tariff: toHex(hash),
  ...(currency && exchange
    ? {
        currency,
        rate: aimx(String(exchange.aimx)),
        rateValidUntil: new Date(exchange.validUntil).toISOString(),
      }
    : {}),
});

function about(tariff: Tariff): string[] {
  const { currency, exchange } = tariff;
  return [
    ...(currency && exchange
      ? [`1 ${currency} = ${aimx(String(exchange.aimx))} AIMX until ${instant(exchange.validUntil)}`]
      : []),
    `tariff ${toHex(tariff.hash)}`,
  ];
}

function quantitiesOf(text: string | undefined): Quantities {
  if (text === undefined) return {};
  return Object.fromEntries(
    text.split(',').map((part) => {
      const [name = '', amount = ''] = part.split('=').map((side) => side.trim());
      if (!(QUANTITIES as readonly string[]).includes(name))
        throw usage('--use', name, QUANTITIES.join(', '));
      return [name, wholeOf(`--use ${name}`, amount)];
    }),
  );
}

function wholeOf(option: string, text: string): number {
  const value = Number(text);
  if (/^\d{1,12}$/.test(text) && value >= 1) return value;
  throw usage(option, text, 'a whole number from 1 on');
}

const usage = (option: string, received: string, expected: string): GatewayError =>
  new GatewayError('USAGE', `${option} cannot be ${received || 'empty'}`, { received, expected });
