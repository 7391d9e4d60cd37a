import { toHex } from '../../billing/formats/bytes.ts';
import { parseTariff } from '../../billing/tariff/tariff.ts';
import { GatewayError } from '../../errors.ts';
import {
  acceptedTariffs,
  acceptTariff,
  type Books,
  clearRefusal,
  type LimitScope,
  listSpent,
  readLimits,
  setLimit,
} from '../../payer/index.ts';
import { guessOf } from '../../payer/window.ts';
import type { CommandContext } from '../command.ts';
import type { Subcommand } from '../subcommands.ts';
import { table } from '../ui/table.ts';
import { amountOf, chooseChannel, httpLink, money, withBooks } from './shared.ts';

/** What only the owner decides: limits, tariffs, going on after a false receipt. */

/** `payer limits`: shows them, or sets those that are named. */
export const limits: Subcommand = (context) =>
  withBooks(context, async (books) => {
    set(context, books, 'hour', 'per-hour');
    set(context, books, 'total', 'total');
    setNamed(context, books, 'gateway', 'for-gateway');
    setNamed(context, books, 'model', 'for-model');
    const rows = readLimits(books).map(({ scope, name, amount }) => ({ scope, name, amount: money(amount) }));
    const spent = listSpent(books).map(({ model, amount }) => ({ model, spent: money(amount) }));
    context.print({ limits: rows, spent }, () =>
      [
        rows.length === 0
          ? 'No limits but the deposits.'
          : table(rows, [
              { title: 'LIMIT', value: ({ scope, name }) => (name === '' ? scope : `${scope} ${name}`) },
              { title: 'AIMX', value: ({ amount }) => amount, align: 'right' },
            ]),
        ...spent.map(({ model, spent: amount }) => `spent on ${model}: ${amount}`),
      ].join('\n'),
    );
    return 0;
  });

function set(context: CommandContext, books: Books, scope: LimitScope, option: string, name = ''): void {
  const text = context.option(option);
  if (text !== undefined) setLimit(books, scope, name, amountOrNone(`--${option}`, text));
}

function setNamed(context: CommandContext, books: Books, scope: LimitScope, option: string): void {
  const text = context.option(option);
  if (text === undefined) return;
  const at = text.lastIndexOf('=');
  if (at < 1)
    throw new GatewayError('USAGE', `--${option} needs a name and an amount`, {
      received: text,
      expected: 'NAME=AMOUNT',
    });
  setLimit(books, scope, text.slice(0, at), amountOrNone(`--${option}`, text.slice(at + 1)));
}

const amountOrNone = (option: string, text: string): bigint | undefined =>
  text === 'none' ? undefined : text === '0' ? 0n : amountOf(option, text);

/** `payer tariff`: what the gateway charges now; with --accept receipts by it are taken. */
export const tariff: Subcommand = (context, words) =>
  withBooks(context, async (books) => {
    const channel = chooseChannel(books, words[0]);
    const asked = await httpLink(context, context.option('gateway') ?? channel.gateway).offer!();
    if (!asked.ok) throw new GatewayError('PAYER_GATEWAY', `The gateway does not answer: ${asked.reason}`);
    const present = parseTariff((asked.value as { tariff?: unknown } | null)?.tariff);
    const known = acceptedTariffs(books, channel.id).some(
      ({ counting }) => counting.json === present.counting.json,
    );
    if (known || context.flag('accept')) acceptTariff(books, channel.id, present, Date.now());
    const accepted = known || context.flag('accept');
    const each = guessOf(present, Date.now());
    const data = {
      hash: toHex(present.hash),
      accepted,
      inference: money(each),
      tariff: JSON.parse(present.json),
    };
    context.print(data, () =>
      [
        `tariff ${data.hash}, ${accepted ? 'accepted' : 'not accepted yet'}`,
        `an inference costs about ${data.inference} AIMX`,
        present.json,
      ].join('\n'),
    );
    return accepted ? 0 : 1;
  });

/** `payer resume`: goes on with a channel that was stopped. */
export const resume: Subcommand = (context, words) =>
  withBooks(context, async (books) => {
    const channel = chooseChannel(books, words[0]);
    const was = channel.refusal ?? null;
    clearRefusal(books, channel.id);
    context.print({ channel: toHex(channel.id), was }, () =>
      was ? `goes on; it was stopped because ${was.message}` : 'it was not stopped',
    );
    return 0;
  });
