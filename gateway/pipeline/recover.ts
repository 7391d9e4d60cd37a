import { GatewayError } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Store } from '../store/types.ts';
import type { ConsumerState, LoadedState } from './consumer-state.ts';
import { type ConsumerEvent, precedes, reached } from './events.ts';
import type { RecordSource } from './source.ts';
import { MODEL_PREFIX, type Operator, type Stage } from './unit.ts';

const PULL = 512;
/** Replayed jobs are handed to a stateful stage in lots of this many. */
const REPLAY_JOBS = 1024;

export interface Recovery<Job> {
  readonly name: string;
  readonly state: ConsumerState;
  readonly operator: Operator;
  readonly stage: Stage<Job>;
  readonly source: RecordSource;
  readonly cursors: readonly number[];
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** The jobs that feeding made since the last call. */
  readonly takeJobs: () => Job[];
}

export interface Recovered {
  /** Latest time the consumer is known to have been alive at, 0 when unknown. */
  readonly lastTick: number;
  /** Events that take effect after records which are still to come. */
  readonly pending: readonly ConsumerEvent[];
}

/**
 * Rebuilds a consumer: its snapshot, then the records from there up to its cursors once more, without output. Ends
 * with the source placed after the cursors.
 */
export async function recover<Job>(recovery: Recovery<Job>): Promise<Recovered> {
  const { state, source, cursors, operator } = recovery;
  const loaded = await loadState(recovery);
  let lastTick = loaded?.meta.lastTick ?? 0;
  let pending: ConsumerEvent[] = [];
  if (loaded === undefined) {
    const meta = { position: cursors, downtime: [], lastTick: 0 };
    await recovery.store.commit({ states: state.snapshotRows(meta) });
  } else {
    operator.downtime.restore(loaded.meta.downtime);
    pending = await refeed(recovery, loaded);
    for (const event of loaded.events) {
      if (event.kind !== 'skipped') lastTick = Math.max(lastTick, event.time);
    }
  }
  source.seek(cursors, null);
  if (!operator.tracksSilence) return { lastTick, pending };
  const event = await downtime(recovery, lastTick);
  if (event === undefined) return { lastTick, pending };
  await recovery.store.commit({ states: [state.eventRow(event)] });
  return { lastTick: event.time, pending: [...pending, event] };
}

async function loadState<Job>({
  state,
  operator,
  stage,
  name,
  log,
}: Recovery<Job>): Promise<LoadedState | undefined> {
  const loaded = await state.load((key, error) => damaged(log, name, key, error));
  for (const { key, bytes } of loaded?.rows ?? []) {
    try {
      if (key.startsWith(MODEL_PREFIX)) stage.restore(key.slice(MODEL_PREFIX.length), bytes);
      else operator.restore(key, bytes);
    } catch (error) {
      damaged(log, name, key, error);
    }
  }
  if (loaded)
    log.debug({ rows: loaded.rows.length, events: loaded.events.length }, `${name}: state restored`);
  return loaded;
}

/** The windows of that key begin anew with what is fed once more; every other key is untouched. */
function damaged(log: Log, name: string, key: string, error: unknown): void {
  const fault = new GatewayError('PIPELINE_STATE', `state row ${JSON.stringify(key)} cannot be read`, {
    cause: error,
  });
  log.error({ code: fault.code, key, fix: fault.fix }, `${name}: ${fault.message}`);
}

async function refeed<Job>(recovery: Recovery<Job>, loaded: LoadedState): Promise<ConsumerEvent[]> {
  const { source, cursors, operator, signal } = recovery;
  const skipped = new Set(loaded.events.flatMap((event) => (event.kind === 'skipped' ? event.windows : [])));
  const events = loaded.events.filter((event) => event.kind !== 'skipped');
  let jobs: Job[] = [];
  let next = 0;
  source.seek(loaded.meta.position, cursors);
  for (;;) {
    signal.throwIfAborted();
    const pulled = source.pull(PULL, (input, record) => {
      while (next < events.length && precedes(events[next]!, input, record.seq))
        applyEvent(operator, events[next++]!);
      operator.feed(input, record);
    });
    const records = typeof pulled === 'number' ? pulled : await pulled;
    if (records === 0) break;
    jobs = await replayed(recovery, jobs, skipped, REPLAY_JOBS);
  }
  while (next < events.length && reached(cursors, events[next]!.position))
    applyEvent(operator, events[next++]!);
  await replayed(recovery, jobs, skipped, 1);
  return events.slice(next);
}

/** Hands on what feeding made once it is `least` jobs; answers what is kept for the next time. */
async function replayed<Job>(
  { stage, takeJobs, signal }: Recovery<Job>,
  kept: Job[],
  skipped: ReadonlySet<string>,
  least: number,
): Promise<Job[]> {
  const more = takeJobs();
  if (!stage.stateful) return [];
  const jobs = kept.concat(more);
  if (jobs.length < least) return jobs;
  await stage.replay(jobs, skipped, signal);
  return [];
}

/** Repeats the effect of an event on the operator. */
export function applyEvent(operator: Operator, event: ConsumerEvent): void {
  if (event.kind === 'tick') operator.advance(event.time, event.keys);
  else if (event.kind === 'downtime') operator.downtime.add(event.time, event.ms);
}

type Downtime = Extract<ConsumerEvent, { kind: 'downtime' }>;

/** The time the gateway was away, so that it is not taken for silence of the devices. */
async function downtime<Job>(recovery: Recovery<Job>, lastTick: number): Promise<Downtime | undefined> {
  const { source, clock } = recovery;
  const heads = source.heads();
  const last = Math.max(lastTick, await source.lastArrival());
  const time = clock.now();
  if (last === 0 || time <= last) return undefined;
  return { kind: 'downtime', position: heads, time, ms: time - last };
}
