import { createReadStream } from 'node:fs';
import { toHex } from '../../billing/formats/bytes.ts';
import { GatewayError } from '../../errors.ts';
import type { OpenRequest } from '../../payer/books/requests.ts';
import { type Asked, type Books, Desk, Keeper, listChannels, type PayerChannel } from '../../payer/index.ts';
import { pause, readRequests, sendRequests } from '../../payer/requests.ts';
import type { Signer } from '../../ports/chain.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Escrow } from '../../ports/escrow.ts';
import type { PayerLink } from '../../ports/payer-link.ts';
import { systemClock } from '../../system/clock.ts';
import { createLog } from '../../system/log.ts';
import type { CommandContext, ExitCode } from '../command.ts';
import type { Subcommand } from '../subcommands.ts';
import {
  amountOf,
  chooseChannel,
  durationOption,
  escrowOf,
  httpLink,
  maxFeeOf,
  mqttLink,
  openKey,
  wholeOption,
  withBooks,
} from './shared.ts';

/** Requests of a run that was killed, sent again first. */
const RESUMED = 10_000;
const ACK_EVERY = 16;
const PATIENCE_MS = 60_000;
const DAY_MS = 86_400_000;

/** `payer run MODEL [FILE]`, `payer run --keep`. */
export const run: Subcommand = (context, words) =>
  withBooks(context, async (books) => {
    const keep = context.flag('keep');
    const [model, file] = words;
    if (!keep && model === undefined)
      throw new GatewayError('USAGE', 'the model is missing', {
        expected: 'payer run MODEL [FILE], or payer run --keep',
      });
    const named = context.option('channel');
    const channels = keep && named === undefined ? listChannels(books) : [chooseChannel(books, named)];
    const session = await openKey(context, 'session');
    const wallet = await openKey(context, 'wallet');
    const clock = systemClock();
    const mqtt = mqttLink(context, session);
    const links = new Map<string, PayerLink>();
    const desks = channels.map((channel) =>
      deskOf(context, { books, session, clock, channel, mqtt, links, keep }),
    );
    const escrows = new Map<string, Escrow>();
    const keeper = new Keeper({
      ...{ books, desks, wallet, clock, maxFee: maxFeeOf(context) },
      ...(mqtt ? { link: mqtt } : {}),
      ...optional('settleEvery', durationOption(context, 'settle-every')),
      ...optional('watchEvery', durationOption(context, 'watch-every')),
      ...topUpOf(context),
      escrowOf: (channel) => cachedEscrow(context, books, escrows, channel),
      log: createLog({ level: 'warn', stream: process.stderr }),
    });
    await keeper.start();
    try {
      await keeper.settle();
      if (keep) return await untilStopped(context, clock, channels);
      const desk = desks[0]!;
      const code = await send(context, desk, clock, model!, file);
      await keeper.settle();
      return code;
    } finally {
      await keeper.stop();
      for (const link of [mqtt, ...links.values()]) await link?.close();
      for (const escrow of escrows.values()) escrow.close();
    }
  });

const topUpOf = (context: CommandContext) => {
  const text = context.option('top-up');
  if (text === undefined) return {};
  return { topUp: { amount: amountOf('--top-up', text), window: wholeOption(context, 'window', 100) } };
};

interface DeskSetting {
  readonly books: Books;
  readonly session: Signer;
  readonly clock: Clock;
  readonly channel: PayerChannel;
  readonly mqtt: PayerLink | undefined;
  readonly links: Map<string, PayerLink>;
  /** Others make the requests. */
  readonly keep: boolean;
}

function deskOf(
  context: CommandContext,
  { books, session, clock, channel, mqtt, links, keep }: DeskSetting,
): Desk {
  const gateway = context.option('gateway') ?? channel.gateway;
  const http = links.get(gateway) ?? httpLink(context, gateway);
  links.set(gateway, http);
  return new Desk(
    { books, session, clock, channel: channel.id, link: mqtt ?? http, side: http },
    {
      takeUnknown: keep,
      window: wholeOption(context, 'window', 100),
      validForMs: durationOption(context, 'valid-for') ?? 3 * DAY_MS,
    },
  );
}

const optional = <K extends string>(name: K, value: number | undefined) =>
  (value === undefined ? {} : { [name]: value }) as { [key in K]?: number };

function cachedEscrow(
  context: CommandContext,
  books: Books,
  escrows: Map<string, Escrow>,
  channel: PayerChannel,
): Escrow | undefined {
  const key = `${channel.chainId}/${channel.ledger}`;
  const escrow = escrows.get(key) ?? escrowOf(context, books, channel);
  if (escrow) escrows.set(key, escrow);
  return escrow;
}

async function untilStopped(
  context: CommandContext,
  clock: Clock,
  channels: readonly PayerChannel[],
): Promise<ExitCode> {
  context.ui.note(`keeping ${channels.length} channel${channels.length === 1 ? '' : 's'}; Ctrl-C stops`);
  if (context.json)
    context.ui.out(JSON.stringify({ event: 'keeping', channels: channels.map(({ id }) => toHex(id)) }));
  while (!context.signal.aborted) await pause(clock, DAY_MS, context.signal);
  return 0;
}

/** Sends what a killed run left open, then the lines of the file or of standard input. */
async function send(
  context: CommandContext,
  desk: Desk,
  clock: Clock,
  model: string,
  file: string | undefined,
): Promise<ExitCode> {
  const input = file === undefined || file === '-' ? process.stdin : createReadStream(file);
  const counts = { answered: 0, failed: 0, later: 0 };
  const progress = context.ui.progress('requests', Number.MAX_SAFE_INTEGER);
  const onAnswer = (asked: Asked): void => {
    counts[asked.kind]++;
    context.ui.out(lineOf(asked));
    progress.update(0, `${counts.answered} answered`);
  };
  const requests = (async function* (): AsyncGenerator<OpenRequest> {
    yield* desk.open(RESUMED);
    yield* readRequests(input, (document) => desk.prepare(model, document));
  })();
  try {
    await sendRequests(requests, {
      ...{ desk, clock, onAnswer, signal: context.signal, ackEvery: ACK_EVERY },
      concurrency: wholeOption(context, 'concurrency', 4),
      patience: durationOption(context, 'patience') ?? PATIENCE_MS,
    });
  } finally {
    progress.end();
    input.destroy();
  }
  context.ui.note(
    `${counts.answered} answered, ${counts.failed} failed, ${counts.later} left for the next run`,
  );
  return counts.failed + counts.later === 0 ? 0 : 1;
}

/** The answer as it came, or the error in the same shape. */
function lineOf(asked: Asked): string {
  if (asked.kind !== 'answered')
    return JSON.stringify({ id: asked.id, error: { code: asked.code, message: asked.message } });
  const { body, headerBytes } = asked.reply;
  return Buffer.from(body).subarray(0, headerBytes).toString('utf8');
}
