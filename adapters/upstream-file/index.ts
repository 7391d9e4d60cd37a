import type { UpstreamConfig } from '../../gateway/config/schema.ts';
import type { Log } from '../../gateway/ports/log.ts';
import type { Delivery, Sink, UpstreamRecord } from '../../gateway/ports/sink.ts';
import { NdjsonFile } from './ndjson-file.ts';

export interface FileSinkParts {
  readonly upstream: UpstreamConfig;
  readonly log: Log;
}

const BATCH = 1000;

/** Records as lines of a rotated NDJSON file, synced before they count as delivered. */
export function createFileSink({ upstream, log }: FileSinkParts): Sink {
  const { path, maxBytes, keep } = upstream.file!;
  const file = new NdjsonFile(path, { maxBytes, keep });
  let last: Promise<unknown> = Promise.resolve();
  let connected = false;

  const write = async (records: readonly UpstreamRecord[], signal: AbortSignal): Promise<Delivery> => {
    if (signal.aborted) return { kind: 'unavailable', reason: 'stopping' };
    try {
      const repaired = await file.append(records.map((record) => record.body));
      if (repaired > 0)
        log.warn({ path, bytes: repaired }, `file: removed a torn last line of ${path}, going on`);
      connected = true;
      return { kind: 'delivered' };
    } catch (error) {
      connected = false;
      return { kind: 'unavailable', reason: (error as Error).message };
    }
  };

  return {
    id: upstream.id,
    batch: BATCH,
    get connected() {
      return connected;
    },
    async deliver(records, signal) {
      const turn = last.then(() => write(records, signal));
      last = turn;
      return await turn;
    },
    // A file never says that it can be written again; the back-off finds out.
    onReady() {},
    async start() {
      connected = true;
    },
    async stop() {
      await last;
      connected = false;
      await file.close();
    },
  };
}
