import { expect, it } from 'vitest';
import { configJsonSchema, describePlan, parseConfig, planText } from '../../gateway/config/index.ts';
import { durationText } from '../../gateway/config/units.ts';

const YAML = `
gateway: { name: plant-7 }
streams:
  - id: temperature
    from: { mqtt: "plant/{device}/t" }
pipelines:
  - id: anomaly
    from: temperature
    window: { count: 64, every: 1 }
    model: streaming-anomaly@1
  - id: alarm
    from: anomaly
    window: { time: 10s, every: 1s }
    model: streaming-anomaly@1
    publish: { topic: "plant/{device}/alarm", when: "score >= 0.9" }
aggregates:
  - { from: temperature, every: 60s }
upstream:
  - { id: cloud, mqtt: { url: "mqtt://127.0.0.1:1884" }, send: [readings, results, aggregates] }
`;

it('names every stream, pipeline, cursor and sink', () => {
  const plan = describePlan(parseConfig(YAML, '/x/gateway.yaml').config);
  expect(plan.streams[0]!.mqtt).toEqual(['plant/{device}/t', 'aimx/s/temperature/{device}']);
  expect(plan.pipelines.map((p) => [p.id, p.window, p.topic])).toEqual([
    ['anomaly', '64 readings, every 1', 'aimx/result/anomaly/{device}'],
    ['alarm', '10s every 1s (event time, lateness 0ms)', 'plant/{device}/alarm'],
  ]);
  expect(plan.cursors).toEqual([
    { consumer: 'pipeline/anomaly', stream: 'temperature' },
    { consumer: 'pipeline/alarm', stream: '$result/anomaly' },
    { consumer: 'publish/anomaly', stream: '$result/anomaly' },
    { consumer: 'publish/alarm', stream: '$result/alarm' },
    { consumer: 'aggregate/temperature-60s', stream: 'temperature' },
    { consumer: 'upstream/cloud', stream: 'temperature' },
    { consumer: 'upstream/cloud', stream: '$result/anomaly' },
    { consumer: 'upstream/cloud', stream: '$result/alarm' },
    { consumer: 'upstream/cloud', stream: '$aggregate/temperature-60s' },
  ]);
  expect(planText(plan)).toContain('temperature → 64 readings, every 1 per device → streaming-anomaly@1');
});

it('writes durations in the largest whole unit', () => {
  expect([0, 250, 1000, 60_000, 90_000, 300_000, 3_600_000, 86_400_000].map(durationText)).toEqual([
    '0ms',
    '250ms',
    '1s',
    '60s',
    '90s',
    '5m',
    '1h',
    '1d',
  ]);
});

it('generates a JSON Schema that editors can use', () => {
  const schema = configJsonSchema();
  expect(schema.properties?.streams?.items?.properties?.decode?.enum).toContain('senml+cbor');
  expect(schema.additionalProperties).toBe(false);
  expect(schema.required).toBeUndefined();
});
