import type { Command } from './command.ts';
import { add } from './models/add.ts';
import { canary, promote, remove, rollback, shadow, stage } from './models/change.ts';
import { list, show } from './models/list.ts';
import { sign } from './models/sign.ts';
import { TUNE_HELP, TUNE_OPTIONS, TUNE_USAGE, tune } from './models/tune.ts';
import { verify } from './models/verify.ts';
import { runSubcommand } from './subcommands.ts';

/** `models …`: the model bundles of this gateway, and what their versions are there for. */
export const models: Command = {
  name: 'models',
  summary: 'model bundles and their versions: add, verify, sign, promote, rollback …',
  usage: [
    'models list',
    'models show NAME[@VERSION]',
    'models add FOLDER|FILE.onnx|ARCHIVE',
    'models verify [NAME[@VERSION]]',
    'models promote NAME@VERSION [--force]',
    'models shadow|stage|remove NAME@VERSION',
    'models canary NAME@VERSION [--share 10%]',
    'models rollback NAME',
    'models sign FOLDER --key KEY.pem [--passphrase-file FILE] [--raw]',
    TUNE_USAGE,
  ],
  help: `
add copies a bundle (a folder with model.yaml, the model file and golden samples, or a .tar.gz, .tgz, .tar or .zip of one)
into the folder of installed models, after manifest, signature, checksum and golden samples were checked on this machine. A
bare .onnx file gets a manifest from what it says of itself. verify checks bundles the same way: exit code 1 if one fails.

The first version of a model answers at once. A higher one that is added later is staged (models.newVersion): shadow lets it
compute beside the live one and compares, canary lets it answer a share of devices and requests, promote makes it live,
rollback takes the last step back. A version that takes or gives something else than the live one is refused unless promoted
with --force. With a running gateway changes take effect at once, else with its next start.

sign writes model.sig: an OpenSSF Model Signing bundle, or with --raw an Ed25519 signature over what sha256sum prints.
${TUNE_HELP}`,
  options: {
    share: { type: 'string' },
    force: { type: 'boolean' },
    key: { type: 'string' },
    'passphrase-file': { type: 'string' },
    raw: { type: 'boolean' },
    ...TUNE_OPTIONS,
  },
  longRunning: true,
  run: (context) =>
    runSubcommand('models', context, {
      list,
      show,
      add,
      verify,
      promote,
      rollback,
      shadow,
      canary,
      stage,
      remove,
      sign,
      tune,
    }),
};
