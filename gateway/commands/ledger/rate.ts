import { aimx, parseAimx } from '../../billing/formats/amount.ts';
import { createKeystore, openKeystore } from '../../billing/keys/keystore.ts';
import { signRate } from '../../billing/tariff/snapshot.ts';
import { parseDuration } from '../../config/units.ts';
import { GatewayError } from '../../errors.ts';
import { writeFileAtomic } from '../../system/files.ts';
import type { Subcommand } from '../subcommands.ts';
import { instant } from '../ui/format.ts';

const MAX_MS = 7 * 86_400_000;

/** `ledger rate`: signs what a currency is worth, for tariffs that name the signer. */
export const rate: Subcommand = async (context, words) => {
  const { config } = context.config({ quiet: true, checkFiles: false });
  const [currency = '', worth = ''] = words;
  const units = parseAimx(worth);
  if (words.length !== 2 || !/^[A-Z]{3}$/.test(currency) || !units)
    throw usage(
      words.join(' '),
      'ledger rate EUR 12.5: a currency, and the AIMX that one unit of it is worth',
    );
  const text = context.option('for') ?? '1h';
  const ms = parseDuration(text);
  if (!ms || ms > MAX_MS) throw usage(text, '--for with a duration up to 7d');
  const paths = config.billing?.chain ?? (await createKeystore(`${config.gateway.dataDir}/keys`));
  const signer = await openKeystore(paths);
  const now = Date.now();
  const fields = { currency, aimx: String(units), observedAt: now, validUntil: now + ms };
  const signed = signRate({ ...fields, source: context.option('source') ?? '' }, signer);
  const file = context.option('out') ?? config.billing?.rate;
  if (file !== undefined) writeFileAtomic(file, `${JSON.stringify(signed, null, 2)}\n`);
  context.print({ ...signed, signer: signer.address, file: file ?? null }, () =>
    [
      `1 ${currency} = ${aimx(String(units))} AIMX until ${instant(signed.validUntil)}, signed by ${signer.address}`,
      file === undefined ? JSON.stringify(signed) : `written to ${file}`,
    ].join('\n'),
  );
  return 0;
};

const usage = (received: string, expected: string): GatewayError =>
  new GatewayError('USAGE', 'that is no rate', { received, expected });
