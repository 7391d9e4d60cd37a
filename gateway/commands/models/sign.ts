import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { GatewayError } from '../../errors.ts';
import { readBundle } from '../../inference/bundle.ts';
import { SIGNATURE_FILE } from '../../inference/signing/files.ts';
import { fingerprintsOf, readSigningKey } from '../../inference/signing/keys.ts';
import { signOms } from '../../inference/signing/oms.ts';
import { signRaw } from '../../inference/signing/raw.ts';
import { writeFileAtomic } from '../../system/files.ts';
import { type Subcommand, theWord } from '../subcommands.ts';

/** Writes `model.sig` into a bundle folder. Needs no configuration: whoever makes models signs them. */
export const sign: Subcommand = async (context, words) => {
  const folder = resolve(theWord(words, 'models sign FOLDER --key KEY.pem'));
  const keyFile = context.option('key');
  if (keyFile === undefined)
    throw new GatewayError('USAGE', '--key is missing', {
      expected: 'models sign FOLDER --key KEY.pem',
      fix: 'Make a key with `openssl genpkey -algorithm ed25519 -out key.pem`.',
    });
  const passphraseFile = context.option('passphrase-file');
  const passphrase = passphraseFile === undefined ? undefined : readFileSync(passphraseFile, 'utf8').trim();
  const key = readSigningKey(keyFile, passphrase);
  const { manifest } = readBundle(folder);
  const raw = context.flag('raw');
  const file = join(folder, SIGNATURE_FILE);
  writeFileAtomic(file, await (raw ? signRaw : signOms)(folder, key));
  const [fingerprint] = fingerprintsOf(key);
  const model = `${manifest.name}@${manifest.version}`;
  context.print({ model, file, form: raw ? 'ed25519' : 'oms', key: fingerprint }, () =>
    [
      `${context.ui.style.bold(model)} signed: ${file}`,
      'Whoever installs it names the public key under models.trustedKeys:',
      `  openssl pkey -in ${keyFile} -pubout`,
    ].join('\n'),
  );
  return 0;
};
