import { z } from 'zod';

/** How onnxruntime computes. */
export const onnxSection = z.strictObject({
  providers: z
    .array(z.string().regex(/^[a-z][a-z0-9_]{0,31}$/, 'such as cpu, cuda or tensorrt'))
    .min(1)
    .max(8)
    .default(['cpu'])
    .describe(
      'Execution providers, the preferred one first; `aimx-gateway doctor` shows which the installed onnxruntime-node has',
    ),
  threads: z
    .number()
    .int()
    .min(1)
    .max(64)
    .default(1)
    .describe('Threads of one model; more than 1 helps large models on boards with idle cores'),
});

/** A server that bundles with `runtime: remote` may name. */
export const modelServerSection = z.strictObject({
  url: z
    .url({ protocol: /^https?$/ })
    .describe('Its address; a bundle whose remote.url has the same origin uses what stands here'),
  tokenFile: z.string().optional().describe('File with a bearer token, mode 0400 or 0600'),
  ca: z.string().optional().describe('PEM file of the CA that signed its certificate; default: the system'),
});
