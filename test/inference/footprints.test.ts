import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readBundle } from '../../gateway/inference/bundle.ts';
import { Footprints } from '../../gateway/inference/footprints.ts';
import { Model } from '../../gateway/inference/model.ts';
import { planOf } from '../../gateway/inference/plan.ts';
import { Residency } from '../../gateway/inference/residency.ts';
import { recordingLog } from '../support/log.ts';
import { mlpModel } from '../support/onnx.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { writeBundle } from './bundles.ts';

const MIB = 1024 ** 2;

function modelIn(dir: string, name: string, hidden: number): Model {
  const folder = writeBundle(dir, {
    name,
    model: mlpModel([4, hidden, 3]),
    manifest: {
      inputs: [{ name: 'input', datatype: 'FP32', shape: [-1, 4], from: 'request' }],
      outputs: [{ name: 'output', datatype: 'FP32', shape: [-1, 3] }],
    },
  });
  const bundle = readBundle(folder);
  return new Model(bundle, planOf(bundle), hidden);
}

test('what a model was seen to take is kept, the largest counts, and another process sees it', () => {
  const dir = temporaryFolder();
  const { bundle } = modelIn(dir, 'one', 5);
  const log = recordingLog();
  const gateway = new Footprints(dir, log);
  expect(gateway.of(bundle)).toBeUndefined();
  new Footprints(dir, log).note(bundle, { bytes: 50 * MIB, peak: 90 * MIB });
  expect(gateway.of(bundle)).toEqual({ bytes: 50 * MIB, peak: 90 * MIB });
  gateway.note(bundle, { bytes: 60 * MIB, peak: 20 * MIB });
  expect(new Footprints(dir, log).of(bundle)).toEqual({ bytes: 60 * MIB, peak: 90 * MIB });
  expect(log.lines).toEqual([]);

  writeFileSync(join(dir, 'footprints.json'), '{"format":1,"models":{"x":{"bytes":"many"');
  const anew = new Footprints(dir, log);
  expect(anew.of(bundle)).toBeUndefined();
  expect(log.lines).toHaveLength(1);
  anew.note(bundle, { bytes: MIB, peak: MIB });
  expect(Object.keys(JSON.parse(readFileSync(join(dir, 'footprints.json'), 'utf8')).models)).toHaveLength(1);
});

test('room is made for the most a model needs while it loads; one never measured gets a quarter of all', () => {
  const dir = temporaryFolder();
  const [small, large, unknown] = [
    modelIn(dir, 'small', 5),
    modelIn(dir, 'large', 6),
    modelIn(dir, 'new', 7),
  ] as const;
  const footprints = new Footprints(undefined, recordingLog());
  footprints.note(small.bundle, { bytes: 10 * MIB, peak: 12 * MIB });
  footprints.note(large.bundle, { bytes: 300 * MIB, peak: 500 * MIB });
  const residency = new Residency(640 * MIB, footprints);
  for (const model of [small, large]) residency.touch(model);
  const loaded = new Set([small, large]);
  expect(residency.loadSize(large)).toBe(500 * MIB);
  expect(residency.loadSize(unknown)).toBe(160 * MIB);
  expect(residency.victims(loaded, 485 * MIB, residency.loadSize(unknown))).toEqual([small]);
  expect(residency.victims(loaded, 500 * MIB, residency.loadSize(unknown))).toEqual([large]);
  expect(residency.victims(new Set([small]), 130 * MIB, residency.loadSize(large))).toEqual([]);
  // Beside a host of 130 MiB there is room for the small one, but not while the large one is loaded.
  expect(residency.fitsBeside(130 * MIB, [small])).toBe(true);
  expect(residency.fitsBeside(130 * MIB, [small, large])).toBe(false);
});
