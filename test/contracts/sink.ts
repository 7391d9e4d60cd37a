import { expect, onTestFinished, test } from 'vitest';
import type { Delivery, Sink, UpstreamRecord } from '../../gateway/ports/sink.ts';
import { until } from '../support/until.ts';

/** One receiver and the way to it, as a sink adapter's test sets it up. */
export interface SinkHarness {
  /** A new sink for the same receiver, not started. */
  open(): Sink;
  /** Ids that the receiver has for good, in order of arrival, repeats included. */
  received(): Promise<readonly string[]> | readonly string[];
  /** Makes the receiver unreachable, existing connections included. */
  cut(): Promise<void>;
  restore(): Promise<void>;
}

const signal = (): AbortSignal => new AbortController().signal;

export function upstreamRecords(count: number, from = 0): UpstreamRecord[] {
  return Array.from({ length: count }, (_, i) => {
    const id = `gw/s/d${(from + i) % 3}/${1000 + from + i}-${from + i}`;
    const device = `d${(from + i) % 3}`;
    const body = JSON.stringify({ id, device, values: { text: 'a "quoted"\nline – ü 😀', n: from + i } });
    return { id, kind: 'reading' as const, source: 's', device, time: 1000 + from + i, body };
  });
}

/** Sends records as the forwarder does, until all are acknowledged. */
export async function deliverAll(sink: Sink, records: readonly UpstreamRecord[]): Promise<Delivery[]> {
  const outcomes: Delivery[] = [];
  for (let at = 0; at < records.length; ) {
    const outcome = await sink.deliver(records.slice(at, at + sink.batch), signal());
    outcomes.push(outcome);
    if (outcome.kind === 'delivered') at += Math.min(sink.batch, records.length - at);
    else if (outcome.kind === 'partial') at += outcome.count;
    else if (outcome.kind === 'refused') throw new Error(`refused: ${outcome.reason}`);
    else await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return outcomes;
}

/** First arrivals in order: what a receiver with a unique index on the id keeps. */
export const unique = (ids: readonly string[]): string[] => [...new Set(ids)];

/** What every sink promises, see gateway/ports/sink.ts. */
export function sinkContract(setUp: () => Promise<SinkHarness>): void {
  const started = async (harness: SinkHarness): Promise<Sink> => {
    const sink = harness.open();
    onTestFinished(() => sink.stop());
    await sink.start(signal());
    return sink;
  };
  const idsOf = (records: readonly UpstreamRecord[]): string[] => records.map(({ id }) => id);

  test('what is delivered has arrived, in order', async () => {
    const harness = await setUp();
    const sink = await started(harness);
    const records = upstreamRecords(1200);
    const outcomes = await deliverAll(sink, records);
    expect(outcomes.at(-1)).toEqual({ kind: 'delivered' });
    expect(unique(await harness.received())).toEqual(idsOf(records));
  });

  test('an unreachable receiver is a value, and sending goes on when it is back', async () => {
    const harness = await setUp();
    await harness.cut();
    const sink = await started(harness);
    const [record] = upstreamRecords(1);
    const outcome = await sink.deliver([record!], signal());
    expect(outcome).toMatchObject({ kind: 'unavailable', reason: expect.stringMatching(/./) });
    await harness.restore();
    await deliverAll(sink, [record!]);
    expect(unique(await harness.received())).toEqual([record!.id]);
  });

  test('a cut in the middle costs repeats at most, never order or a record', async () => {
    const harness = await setUp();
    const sink = await started(harness);
    const records = upstreamRecords(3000);
    let done = false;
    const cutting = (async () => {
      for (let i = 1; i <= 3 && !done; i++) {
        await until(async () => done || unique(await harness.received()).length >= i * 500, 'some records');
        await harness.cut();
        await harness.restore();
      }
    })();
    await deliverAll(sink, records);
    done = true;
    await cutting;
    expect(unique(await harness.received())).toEqual(idsOf(records));
  });

  test('an abort ends the waiting, and acknowledges nothing that has not arrived', async () => {
    const harness = await setUp();
    const sink = await started(harness);
    const records = upstreamRecords(sink.batch);
    await deliverAll(sink, records.slice(0, 1));
    const abort = new AbortController();
    const pending = sink.deliver(records, abort.signal);
    abort.abort();
    const outcome = await pending;
    const arrived = unique(await harness.received());
    if (outcome.kind === 'delivered') expect(arrived).toEqual(idsOf(records));
    else if (outcome.kind === 'partial')
      expect(arrived).toEqual(expect.arrayContaining(idsOf(records.slice(0, outcome.count))));
    else expect(outcome.kind).toBe('unavailable');
    expect((await sink.deliver(records, abort.signal)).kind).not.toBe('delivered');
  });

  test('a restart goes on behind what was there', async () => {
    const harness = await setUp();
    const first = await started(harness);
    await deliverAll(first, upstreamRecords(50));
    await first.stop();
    await first.stop();
    const second = await started(harness);
    await deliverAll(second, upstreamRecords(50, 50));
    expect(unique(await harness.received())).toEqual(idsOf(upstreamRecords(100)));
  });

  test('stopping before starting, and starting without a receiver, do no harm', async () => {
    const harness = await setUp();
    await harness.open().stop();
    await harness.cut();
    const sink = await started(harness);
    await sink.stop();
    await harness.restore();
  });
}
