import { z } from 'zod';
import { time } from './common.ts';

export const plotView = z.object({
  kind: z.enum(['stream', 'pipeline']),
  id: z.string(),
  series: z.array(
    z.object({
      device: z.string(),
      name: z.string().describe('Field of the stream or output of the model'),
      unit: z.string().nullable(),
      times: z.array(time).describe('Event times; empty when the values are one array reading'),
      values: z.array(z.number()),
    }),
  ),
});
export type PlotView = z.output<typeof plotView>;
