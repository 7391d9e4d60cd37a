import { z } from 'zod';
import { billingSection } from './sections/billing.ts';
import { brokerSection, limitsSection, listenSection } from './sections/doors.ts';
import { flowsSection } from './sections/flows.ts';
import { homeAssistantSection } from './sections/home-assistant.ts';
import { identifier } from './sections/identifier.ts';
import { modelsSection } from './sections/models.ts';
import { aggregateSection, pipelineSection, type windowSection } from './sections/pipeline.ts';
import { servingSection } from './sections/serving.ts';
import { type fieldSection, streamSection } from './sections/stream.ts';
import { upstreamSection } from './sections/upstream.ts';
import { duration } from './units.ts';

export {
  aggregateSection,
  billingSection,
  brokerSection,
  limitsSection,
  listenSection,
  pipelineSection,
  servingSection,
  streamSection,
  upstreamSection,
};

/**
 * The one schema of gateway.yaml: validation, defaults, JSON Schema (`check --schema`) and the types of the
 * parsed configuration all come from here. Each setting carries its description; sizes become bytes and durations
 * milliseconds while parsing.
 */

export const gatewaySection = z.strictObject({
  name: identifier.default('gateway').describe('Name of this gateway, part of every record id'),
  dataDir: z
    .string()
    .default('./data')
    .describe('Folder of the journal and all state; relative to this file'),
  location: z
    .strictObject({ latitude: z.number().min(-90).max(90), longitude: z.number().min(-180).max(180) })
    .optional(),
});

export const configSchema = z.strictObject({
  version: z.literal(1).default(1).describe('Version of this file format; the gateway migrates older ones'),
  gateway: gatewaySection.prefault({}),
  listen: listenSection.prefault({}),
  auth: z.strictObject({ anonymous: z.boolean().default(false).describe('Only on loopback') }).prefault({}),
  broker: brokerSection.optional(),
  limits: limitsSection.prefault({}),
  durability: z
    .enum(['full', 'normal'])
    .default('full')
    .describe('full: fsync before every acknowledgement; normal: survives kill, not power loss'),
  gather: duration
    .refine((ms) => ms <= 100, 'at most 100ms')
    .prefault('0ms')
    .describe(
      'Small commits that come often gather this long: 2ms halves what is written at thousands of messages a second and spares flash; a message and its result each wait for it',
    ),
  models: modelsSection.prefault({}),
  serving: servingSection.prefault({}),
  streams: z.array(streamSection).default([]),
  pipelines: z.array(pipelineSection).default([]),
  aggregates: z.array(aggregateSection).default([]),
  upstream: z.array(upstreamSection).default([]),
  billing: billingSection.optional(),
  flows: flowsSection.prefault({}),
  homeAssistant: homeAssistantSection.prefault({}),
});

/** The parsed configuration: defaults filled in, sizes in bytes, durations in milliseconds. */
export type Config = z.output<typeof configSchema>;
export type StreamConfig = z.output<typeof streamSection>;
export type FieldConfig = z.output<typeof fieldSection>;
export type WindowConfig = z.output<typeof windowSection>;
export type PipelineConfig = z.output<typeof pipelineSection>;
export type AggregateConfig = z.output<typeof aggregateSection>;
export type UpstreamConfig = z.output<typeof upstreamSection>;
export type BillingConfig = z.output<typeof billingSection>;
export type BrokerConfig = z.output<typeof brokerSection>;
export type ServingConfig = z.output<typeof servingSection>;
export type LimitsConfig = z.output<typeof limitsSection>;
export type FlowsConfig = z.output<typeof flowsSection>;
