import type { StatusView, Views } from '../../gateway/http/index.ts';

const T = Date.UTC(2026, 5, 1);

export const RESULT = {
  id: 'g/anomaly/press-1/1780272000000-64',
  pipeline: 'anomaly',
  device: 'press-1',
  time: T,
  model: { name: 'streaming-anomaly', version: '1', sha256: 'ab'.repeat(32) },
  outputs: { score: 0.93, label: '<b>fault</b>' },
};

export function status(): StatusView {
  return {
    gateway: 'plant-7',
    version: '0.1.0',
    state: 'ready',
    startedAt: T - 3_600_000,
    now: T,
    timeSynced: true,
    durability: 'full',
    doors: ['mqtt://127.0.0.1:1883', 'coap://127.0.0.1:5683'],
    connections: 3,
    requests: { inFlight: 1, answered: 9, failed: 3, shed: 2, repeated: 1, joined: 0, recovered: 0 },
    turnedAway: { connections: 0, sessions: 0, queued: 2, retained: 0 },
    store: { full: false, commits: 10, lastCommitMs: 1.5, damagedRecords: 0, fileBytes: 4096 },
    modelHost: { pid: 4711, rss: 60_000_000, restarts: 0, waiting: 0, inFlight: 0 },
    unrouted: 2,
    streams: [
      {
        id: 'temperature',
        accepted: 100,
        rejected: 1,
        refused: 0,
        devices: 2,
        records: 100,
        bytes: 9000,
        lastArrival: T,
      },
    ],
    pipelines: [
      {
        id: 'anomaly',
        from: ['temperature'],
        model: 'streaming-anomaly@1',
        results: 37,
        failed: 0,
        shed: 0,
        pending: 1,
        latencyMs: { p50: 3.2, p99: 9.9 },
      },
    ],
    aggregates: [{ id: 'temperature-60s', from: 'temperature', produced: 4 }],
    upstream: [
      {
        id: 'cloud',
        kind: 'mqtt',
        connected: false,
        sent: 40,
        backlog: 7,
        backlogBytes: 2100,
        dropped: 0,
        oldest: T - 90_000,
        lastError: 'ECONNREFUSED',
      },
    ],
    billing: {
      receipts: 37,
      kept: 3,
      keptSince: 1_780_000_000_000,
      bytes: 1_500,
      maxBytes: 268_435_456,
      pending: 5,
      amount: '3700000000000000000',
      symbol: 'AIMX',
      decimals: 18,
      chainId: 31337,
      batches: [
        {
          id: 1,
          root: `0x${'12'.repeat(32)}`,
          toSeq: 32,
          receipts: 32,
          amount: '3200000000000000000',
          state: 'FINAL',
          txHash: `0x${'34'.repeat(32)}`,
          time: T,
        },
      ],
    },
    alarms: [
      { kind: 'upstream-cloud', severity: 'warning', message: 'cloud is away', fix: 'check the uplink' },
    ],
    results: [RESULT],
  };
}

/** Views of a gateway that has done a little; `overrides` replace single readers. */
export function someViews(overrides: Partial<Views> = {}): Views {
  return {
    health: () => ({ live: true, ready: true, reasons: [] }),
    status,
    devices: ({ limit }) =>
      [
        {
          name: 'press-1',
          role: 'device',
          streams: [{ stream: 'temperature', readings: 60, lastTime: T, lastArrival: T }],
        },
        {
          name: 'press-2',
          role: null,
          streams: [{ stream: 'temperature', readings: 40, lastTime: T, lastArrival: T }],
        },
      ].slice(0, limit),
    modelLoads: () => [],
    models: () => [
      {
        name: 'streaming-anomaly',
        version: '1',
        sha256: 'ab'.repeat(32),
        runtime: 'onnx',
        state: 'ready',
        reason: null,
        life: 'live',
        since: T,
        share: null,
        note: null,
        trial: null,
        requests: 37,
        failed: 0,
      },
    ],
    results: ({ pipeline }) => (pipeline === undefined || pipeline === 'anomaly' ? [RESULT] : []),
    plots: async () => [
      {
        kind: 'stream',
        id: 'temperature',
        series: [{ device: 'press-1', name: 'value', unit: 'Cel', times: [T - 1000, T], values: [20, 21] }],
      },
    ],
    receipts: async () => [
      {
        seq: 1,
        requestId: RESULT.id,
        account: 'anomaly',
        model: 'streaming-anomaly@1',
        amount: '100000000000000000',
        cumulative: '100000000000000000',
        hash: `0x${'56'.repeat(32)}`,
        time: T,
        state: 'FINAL',
      },
    ],
    rejected: async () => [
      {
        stream: 'temperature',
        seq: 1,
        code: 'DECODE_SYNTAX',
        message: 'not JSON',
        fix: 'send JSON',
        door: 'mqtt',
        address: 'plant/press-1/temperature',
        time: T,
        bytes: 3,
        payload: 'e3t7',
      },
    ],
    audit: async () => [
      {
        stream: 'temperature',
        accepted: 101,
        forwarded: 100,
        pending: 0,
        expired: 0,
        rejected: 1,
        holds: true,
        consumers: [{ consumer: 'pipeline anomaly', processed: 100, pending: 0, expired: 0 }],
      },
    ],
    ...overrides,
  };
}
