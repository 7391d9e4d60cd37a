import type { Config, PipelineConfig, UpstreamConfig } from '../config/schema.ts';
import { textCodec } from '../store/codecs.ts';
import type { JournalStream, Store } from '../store/types.ts';

const REJECTED_BYTES = 16 * 1024 * 1024;

/** Name of the journal stream that holds a pipeline's results. */
export const resultStream = (pipeline: string): string => `$result/${pipeline}`;

/** Name of the journal stream that holds the windows a pipeline's model would not answer. */
const rejectedWindows = (pipeline: string): string => `$rejected/pipeline-${pipeline}`;

/** A stream is its own outbox: it must be able to hold what the largest outbox that sends it may. */
export function bytesToKeep(config: Config, kind: UpstreamConfig['send'][number], own: number): number {
  const sending = config.upstream.filter(({ send }) => send.includes(kind));
  return Math.max(own, ...sending.map(({ buffer }) => buffer.maxBytes));
}

/** Opens the result stream of a pipeline. */
export function openResults(
  store: Store,
  { id, keep }: PipelineConfig,
  config: Config,
): JournalStream<string> {
  return store.stream(resultStream(id), {
    codec: textCodec,
    maxBytes: bytesToKeep(config, 'results', keep.maxBytes),
    maxAgeMs: keep.maxAge,
    whenFull: 'drop-oldest',
    maxDevices: config.limits.maxDevices,
    internal: true,
  });
}

/** Windows that were refused are for people to look at: the newest of them are worth keeping, not all. */
export function openRejected(
  store: Store,
  { id, keep }: PipelineConfig,
  config: Config,
): JournalStream<string> {
  return store.stream(rejectedWindows(id), {
    codec: textCodec,
    maxBytes: REJECTED_BYTES,
    maxAgeMs: keep.maxAge,
    whenFull: 'drop-oldest',
    maxDevices: config.limits.maxDevices,
    internal: true,
  });
}
