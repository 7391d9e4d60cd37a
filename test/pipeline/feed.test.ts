import fc from 'fast-check';
import { expect, it } from 'vitest';
import { LatestResults } from '../../gateway/pipeline/feed.ts';
import { recordingLog } from '../support/log.ts';

it('has the newest result of each pipeline and device, and tells each once', () => {
  const put = fc.tuple(fc.constantFrom('p', 'q'), fc.constantFrom('a', 'b', 'c', '__proto__'), fc.string());
  fc.assert(
    fc.property(fc.array(put), (results) => {
      const feed = new LatestResults(['p', 'q'], recordingLog());
      const told: [string, string, string][] = [];
      feed.subscribe((...result) => told.push(result));
      const newest = new Map<string, string>();
      for (const [pipeline, device, json] of results) {
        feed.put(pipeline, device, json);
        newest.set(`${pipeline}/${device}`, json);
      }
      expect(told).toEqual(results);
      for (const [key, json] of newest) {
        const [pipeline, device] = key.split('/') as [string, string];
        expect(feed.latest(pipeline, device)).toBe(json);
        expect(feed.devices(pipeline)).toContain(device);
      }
      expect(feed.devices('p').length + feed.devices('q').length).toBe(newest.size);
    }),
    { seed: 20261122 },
  );
});

it('forgets the least recently written beyond its bound', () => {
  const feed = new LatestResults(['p'], recordingLog());
  for (let i = 0; i < 20_000; i++) feed.put('p', `d${i}`, '{}');
  feed.put('p', 'd0', '{"again":true}');
  feed.put('p', 'new', '{}');
  expect(feed.latest('p', 'd0')).toBe('{"again":true}');
  expect(feed.latest('p', 'd1')).toBeUndefined();
  expect(feed.latest('p', 'new')).toBe('{}');
  expect(feed.devices('p')).toHaveLength(20_000);
  const long = JSON.stringify('x'.repeat(16 * 1024 * 1024));
  feed.put('p', 'long', long);
  feed.put('p', 'longer', `${long} `);
  expect(feed.devices('p')).toEqual(['longer']);
});
