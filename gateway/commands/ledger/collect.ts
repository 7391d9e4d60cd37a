import { requireApi } from '../api.ts';
import type { Subcommand } from '../subcommands.ts';

/** `ledger post`, `ledger settle`: asks the running gateway, which alone may use its device key's nonces. */
const collect =
  (what: 'post' | 'settle', told: string): Subcommand =>
  async (context) => {
    const { config } = context.config({ quiet: true, checkFiles: false });
    const answer = await requireApi(config.gateway.dataDir).post('/api/v1/billing/collect', { what });
    context.print(answer, () => `${told} \`ledger status\` shows how it goes.`);
    return 0;
  };

export const post: Subcommand = collect(
  'post',
  'The gateway posts what waits as soon as the chain takes it.',
);

export const settle: Subcommand = collect(
  'settle',
  'The gateway posts what waits, and settles, claims and releases what customers owe.',
);
