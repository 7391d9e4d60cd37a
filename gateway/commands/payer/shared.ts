import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createEvmEscrow } from '../../../adapters/evm/escrow.ts';
import { createHttpLink, createMqttLink } from '../../../adapters/payer-link/index.ts';

import { aimx, parseAimx } from '../../billing/formats/amount.ts';
import { toHex } from '../../billing/formats/bytes.ts';
import { openKeystore } from '../../billing/keys/keystore.ts';
import { parseDuration } from '../../config/units.ts';
import { GatewayError } from '../../errors.ts';
import { readSetting } from '../../payer/books/settings.ts';
import { Books, listChannels, type PayerChannel } from '../../payer/index.ts';
import type { Signer } from '../../ports/chain.ts';
import type { Escrow } from '../../ports/escrow.ts';
import type { PayerLink } from '../../ports/payer-link.ts';
import type { CommandContext, ExitCode } from '../command.ts';

/** Where a payer's things are: `--dir`, default `./payer`. */
export function foldersOf(context: CommandContext): { readonly dir: string; readonly keys: string } {
  const dir = resolve(context.option('dir') ?? 'payer');
  return { dir, keys: join(dir, 'keys') };
}

/** Runs `work` with the books open, and closes them. */
export async function withBooks(
  context: CommandContext,
  work: (books: Books) => Promise<ExitCode>,
): Promise<ExitCode> {
  const books = new Books(join(foldersOf(context).dir, 'payer.db'));
  try {
    return await work(books);
  } finally {
    books.close();
  }
}

/** The wallet pays and owns channels; the session key signs ceilings and acknowledgements. */
export function openKey(context: CommandContext, name: 'wallet' | 'session'): Promise<Signer> {
  const { keys } = foldersOf(context);
  const passphraseFile = context.option('passphrase-file') ?? join(keys, 'passphrase');
  return openKeystore({ keystore: join(keys, `${name}.json`), passphraseFile });
}

/** The channel that a word names by its id or the beginning of it; without a word the only one there is. */
export function chooseChannel(books: Books, word: string | undefined): PayerChannel {
  const all = listChannels(books);
  const found = word === undefined ? all : all.filter(({ id }) => toHex(id).startsWith(word.toLowerCase()));
  const [only] = found;
  if (only && found.length === 1) return only;
  throw new GatewayError(
    'PAYER_CHANNEL',
    found.length > 1 ? `${found.length} channels fit.` : 'There is no such channel.',
    {
      received: word,
      expected: all.map(({ id }) => toHex(id).slice(0, 12)).join(', ') || 'payer open first',
    },
  );
}

const DEFAULT_CONFIRMATIONS = 12;

/** The chain of a channel; undefined when nobody has said where its node is. */
export function escrowOf(
  context: CommandContext,
  books: Books,
  { chainId, ledger }: Pick<PayerChannel, 'chainId' | 'ledger'>,
): Escrow | undefined {
  const rpcUrl = context.option('rpc') ?? readSetting(books, rpcSetting(chainId));
  if (rpcUrl === undefined) return undefined;
  const confirmations = Number(context.option('confirmations') ?? DEFAULT_CONFIRMATIONS);
  return createEvmEscrow({ rpcUrl, chainId, ledger, confirmations });
}

export const rpcSetting = (chainId: number): string => `rpc/${chainId}`;

export function needEscrow(context: CommandContext, books: Books, channel: PayerChannel): Escrow {
  const escrow = escrowOf(context, books, channel);
  if (escrow) return escrow;
  throw new GatewayError('USAGE', 'where the chain is was never said', { expected: '--rpc URL' });
}

/** How the gateway of a channel is reached over HTTP. */
export function httpLink(context: CommandContext, gateway: string): PayerLink {
  const token = secret(context, 'token-file');
  return createHttpLink({ url: gateway, ...(token === undefined ? {} : { token }) });
}

/** And over MQTT, where `--mqtt` names a door. */
export function mqttLink(context: CommandContext, session: Signer): PayerLink | undefined {
  const url = context.option('mqtt');
  if (url === undefined) return undefined;
  const username = context.option('user');
  const password = secret(context, 'password-file');
  return createMqttLink({
    url,
    // The same for each run, so that answers that came in between are there.
    clientId:
      context.option('client') ??
      `payer-${session.address.slice(2, 14)}${context.flag('keep') ? '-keep' : ''}`,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
  });
}

/** What a file holds that only its owner should read; never from the command line itself. */
function secret(context: CommandContext, option: string): string | undefined {
  const file = context.option(option);
  if (file === undefined) return undefined;
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (cause) {
    throw new GatewayError('SECRET_FILE', `${file} cannot be read`, { cause });
  }
}

export const DEFAULT_MAX_FEE_GWEI = 200;

/** The most that a gas may cost, wei. */
export function maxFeeOf(context: CommandContext): bigint {
  return BigInt(wholeOption(context, 'max-fee-gwei', DEFAULT_MAX_FEE_GWEI)) * 10n ** 9n;
}

export function amountOf(what: string, text: string | undefined): bigint {
  const amount = text === undefined ? undefined : parseAimx(text);
  if (amount !== undefined && amount > 0n) return amount;
  throw new GatewayError('USAGE', `${what} is no amount`, {
    ...(text === undefined ? {} : { received: text }),
    expected: 'an amount of AIMX such as 12.5',
  });
}

export function wholeOption(context: CommandContext, name: string, other: number): number {
  const text = context.option(name);
  if (text === undefined) return other;
  if (/^\d{1,9}$/.test(text) && Number(text) > 0) return Number(text);
  throw new GatewayError('USAGE', `--${name} cannot be ${text}`, {
    received: text,
    expected: 'a whole number from 1 on',
  });
}

export function durationOption(context: CommandContext, name: string): number | undefined {
  const text = context.option(name);
  if (text === undefined) return undefined;
  const ms = parseDuration(text);
  if (ms !== undefined) return ms;
  throw new GatewayError('USAGE', `--${name} cannot be ${text}`, {
    received: text,
    expected: 'such as 30s, 12h or 3d',
  });
}

export const money = (units: bigint): string => aimx(String(units));
