import type { Reader } from '../store/types.ts';
import type { AggregateConfig, Config } from './schema.ts';
import { durationText } from './units.ts';

/**
 * Names of the journal streams and of their consumers, as the configuration gives them. A consumer is known to the
 * journal by its name: renaming one makes it begin anew.
 */

/** Kinds of documents that an upstream sink may send. */
export type Kind = Config['upstream'][number]['send'][number];

export const resultStream = (pipeline: string): string => `$result/${pipeline}`;
export const aggregateStream = (aggregate: string): string => `$aggregate/${aggregate}`;
export const ALARM_STREAM = '$alarm';
export const RECEIPT_STREAM = '$receipt';

/** Payloads that could not be decoded belong to the stream whose name follows. */
export const REJECTED_PREFIX = '$rejected/';
export const rejectedStream = (stream: string): string => `${REJECTED_PREFIX}${stream}`;
/** Windows that the model of a pipeline refused. */
export const rejectedWindows = (pipeline: string): string => `${REJECTED_PREFIX}pipeline-${pipeline}`;
/** Records that the receiver behind a sink refused for good. */
export const rejectedRecords = (sink: string): string => `${REJECTED_PREFIX}upstream-${sink}`;

export const pipelineConsumer = (pipeline: string): string => `pipeline/${pipeline}`;
export const publishConsumer = (pipeline: string): string => `publish/${pipeline}`;
export const aggregateConsumer = (aggregate: string): string => `aggregate/${aggregate}`;
export const upstreamConsumer = (sink: string): string => `upstream/${sink}`;

/** The id an aggregate has when the configuration gives it none: `machine-temperature-60s`. */
export const aggregateId = ({ id, from, every }: AggregateConfig): string =>
  id ?? `${from}-${durationText(every)}`;

/** The streams that hold the documents of one kind, in the order of the configuration. */
export function streamsOf(kind: Kind, config: Config): readonly string[] {
  switch (kind) {
    case 'readings':
      return config.streams.map(({ id }) => id);
    case 'results':
      return config.pipelines.map(({ id }) => resultStream(id));
    case 'aggregates':
      return config.aggregates.map((aggregate) => aggregateStream(aggregateId(aggregate)));
    case 'alarms':
      return [ALARM_STREAM];
    case 'receipts':
      return [RECEIPT_STREAM];
  }
}

/** Every consumer that a configuration has, once for each stream it reads. */
export function readersOf(config: Config): readonly Reader[] {
  const pipelines = new Set(config.pipelines.map(({ id }) => id));
  const source = (id: string): string => (pipelines.has(id) ? resultStream(id) : id);
  return [
    ...config.pipelines.flatMap(({ id, from }) =>
      [from].flat().map((one) => ({ consumer: pipelineConsumer(id), stream: source(one) })),
    ),
    ...config.pipelines.map(({ id }) => ({ consumer: publishConsumer(id), stream: resultStream(id) })),
    ...config.aggregates.map((aggregate) => ({
      consumer: aggregateConsumer(aggregateId(aggregate)),
      stream: source(aggregate.from),
    })),
    ...config.upstream.flatMap(({ id, send }) =>
      [...new Set(send)]
        .flatMap((kind) => streamsOf(kind, config))
        .map((stream) => ({ consumer: upstreamConsumer(id), stream })),
    ),
  ];
}
