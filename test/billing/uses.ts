import type { Usage } from '../../gateway/ports/meter.ts';

/** A use as a pipeline reports it. */
export function use(n: number, change: Partial<Usage> = {}): Usage {
  return {
    requestId: `gw/anomaly/device-${n % 3}/1780000000000-${n}`,
    account: 'owner',
    model: { name: 'streaming-anomaly', version: '1.0.0', sha256: 'ab'.repeat(32) },
    startedAt: 1_780_000_000_000 + n,
    computeUs: 120 + (n % 7),
    bytesIn: 512,
    bytesOut: 40,
    request: `window ${n}`,
    answer: `{"score":${n}}`,
    ...change,
  };
}

export const uses = (from: number, to: number, change: Partial<Usage> = {}): Usage[] =>
  Array.from({ length: to - from + 1 }, (_, i) => use(from + i, change));
