import type { z } from 'zod';
import type { Finding, Path } from '../issues.ts';
import {
  type AggregateConfig,
  aggregateSection,
  type BillingConfig,
  type BrokerConfig,
  billingSection,
  brokerSection,
  listenSection,
  type PipelineConfig,
  pipelineSection,
  type StreamConfig,
  streamSection,
  type UpstreamConfig,
  upstreamSection,
} from '../schema.ts';

/** One entry of a list: its id even when the rest of it is wrong, its parsed form when it is right. */
export interface Entry<T> {
  readonly path: Path;
  readonly id: string | undefined;
  readonly config: T | undefined;
}

/**
 * A configuration as far as it can be understood. Rules work on the parts that parse, so that a mistake in one part
 * hides none in another.
 */
export interface Draft {
  readonly gatewayName: string;
  readonly listen: z.output<typeof listenSection> | undefined;
  readonly anonymous: boolean;
  readonly broker: BrokerConfig | undefined;
  readonly streams: readonly Entry<StreamConfig>[];
  readonly pipelines: readonly Entry<PipelineConfig>[];
  readonly aggregates: readonly Entry<AggregateConfig>[];
  readonly upstream: readonly Entry<UpstreamConfig>[];
  readonly billing: BillingConfig | undefined;
  /** The value as written, undefined when it is not. */
  at(path: Path): unknown;
}

/** A bundle that is installed, as far as the configuration cares. */
export interface InstalledModel {
  readonly name: string;
  readonly version: string;
}

/** What rules may know besides the file itself. */
export interface RuleContext {
  /** Folder that relative paths of the file start from. */
  readonly folder: string;
  /** Installed bundles; undefined when nobody has looked. */
  readonly models: readonly InstalledModel[] | undefined;
  /** Whether files named by the configuration are looked at. */
  readonly checkFiles: boolean;
}

export type Rule = (draft: Draft, context: RuleContext) => Finding[];

export function createDraft(value: unknown, at: (path: Path) => unknown): Draft {
  const root = asRecord(value);
  return {
    gatewayName: String(asRecord(root.gateway).name ?? 'gateway'),
    listen: section(listenSection, root.listen ?? {}),
    anonymous: asRecord(root.auth).anonymous === true,
    broker: root.broker === undefined ? undefined : section(brokerSection, root.broker),
    streams: entries('streams', streamSection, root),
    pipelines: entries('pipelines', pipelineSection, root),
    aggregates: entries('aggregates', aggregateSection, root),
    upstream: entries('upstream', upstreamSection, root),
    billing: root.billing === undefined ? undefined : section(billingSection, root.billing),
    at,
  };
}

function entries<T>(name: string, schema: z.ZodType<T>, root: Record<string, unknown>): Entry<T>[] {
  const list = root[name];
  if (!Array.isArray(list)) return [];
  return list.map((item: unknown, index) => {
    const id = asRecord(item).id;
    return {
      path: [name, index],
      id: typeof id === 'string' ? id : undefined,
      config: section(schema, item),
    };
  });
}

function section<T>(schema: z.ZodType<T>, value: unknown): T | undefined {
  const result = schema.safeParse(value);
  return result.success ? result.data : undefined;
}

function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
