import type { ModelView } from '../../http/index.ts';
import { addBundle } from '../../inference/install.ts';
import { scanBundles } from '../../inference/registry.ts';
import { bundledModels } from '../../system/version.ts';
import { findApi } from '../api.ts';
import { type Subcommand, theWord } from '../subcommands.ts';
import { tensorText } from './list.ts';
import { configOf, nameOf, optionsOf, samplesText, trustOf } from './shared.ts';

export const add: Subcommand = async (context, words) => {
  const source = theWord(words, 'models add FOLDER|FILE.onnx|ARCHIVE');
  const config = configOf(context);
  const taken = new Set(scanBundles([bundledModels()]).bundles.map(({ manifest }) => nameOf(manifest)));
  const options = {
    ...optionsOf(context.signal),
    taken,
    trust: trustOf(config),
    runtimes: config.models,
    maxHostRss: config.models.maxBytes,
  };
  const { bundle, samples, recorded, signature } = await addBundle(source, config.models.dir!, options);
  const model = nameOf(bundle.manifest);
  const { name, inputs, outputs } = bundle.manifest;
  const api = findApi(config.gateway.dataDir);
  const views = (await api?.post('/api/v1/models/rescan', {})) as readonly ModelView[] | undefined;
  const state = views?.find((view) => nameOf(view) === model)?.life ?? null;
  const live = views?.find((view) => view.name === name && view.life === 'live')?.version ?? null;
  const unsigned = signature.state === 'unsigned' || signature.state === 'not trusted';
  context.print({ model, folder: bundle.folder, goldenSamples: samples, recorded, signature, state }, () =>
    [
      `${context.ui.style.bold(model)} installed in ${bundle.folder}`,
      ...inputs.map((tensor) => `  input   ${tensorText(tensor)}`),
      ...outputs.map((tensor) => `  output  ${tensorText(tensor)}`),
      samplesText(samples, recorded),
      ...(unsigned ? [context.ui.style.yellow(`Signature: ${signature.reason}.`)] : []),
      '',
      ...(state === null || state === 'live'
        ? ['To use it, name it in a pipeline, or ask it under its name:', `  model: ${model}`]
        : [
            `It is ${state}; ${name}@${live} answers. Next, compare the two, let it answer a part, or all:`,
            `  aimx-gateway models shadow ${model}`,
            `  aimx-gateway models canary ${model} --share 10%`,
            `  aimx-gateway models promote ${model}`,
          ]),
    ].join('\n'),
  );
  return 0;
};
