import type { Command } from './command.ts';
import { list } from './directory/list.ts';
import { delist, publish } from './directory/publish.ts';
import { runSubcommand } from './subcommands.ts';

/** `directory publish|list|delist`: which gateways there are, and where. */
export const directory: Command = {
  name: 'directory',
  summary: 'gateways on the chain: list the nearest, publish or remove this one',
  usage: [
    'directory list [--near LAT,LON] [--model NAME[@VERSION]] [--min-bond AIMX] [--ready]',
    'directory publish --endpoint URL [--at LAT,LON] [--precision N] [--provider ADDRESS] [--models M[,M]] [--valid 90d]',
    'directory delist',
  ],
  help: `
list shows the gateways of the chain's directory, nearest first (from gateway.location where --near is not given), with what their
providers have at stake, the hash of their tariff and what they serve. With --ready each is asked whether it is ready, nearest first: the
first that is stands at the top and those that are not are marked.

publish lists this gateway, signed and paid by its device key; publish again to change or renew it. --precision is how many
characters of the geohash are told: 5 (the default) are about 5 × 5 km, 7 about 150 m. Models are those installed where none are named.`,
  options: {
    near: { type: 'string' },
    model: { type: 'string' },
    'min-bond': { type: 'string' },
    ready: { type: 'boolean' },
    endpoint: { type: 'string' },
    at: { type: 'string' },
    precision: { type: 'string' },
    provider: { type: 'string' },
    models: { type: 'string' },
    valid: { type: 'string' },
  },
  run: (context) => runSubcommand('directory', context, { list, publish, delist }),
};
