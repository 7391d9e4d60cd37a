import { z } from 'zod';

export const modelsSection = z.strictObject({
  dir: z
    .string()
    .optional()
    .describe('Folder of installed bundles; default <dataDir>/models, besides the bundled ones'),
  newVersion: z
    .enum(['staged', 'shadow', 'live'])
    .default('staged')
    .describe(
      'What becomes of a higher version added to a model that has a live one. staged: it waits for `models promote`; shadow: it computes beside the live one and is compared; live: it takes over once it has passed its checks. The first version of a model is live at once',
    ),
});
