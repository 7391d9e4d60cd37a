import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { benchEntry } from '../../gateway/http/api/schemas/bench.ts';
import { benchEntries, benchReport } from '../../gateway/views/bench.ts';
import { temporaryFolder } from '../support/tmp.ts';

const report = (createdAt: string) => ({
  format: 'aimx-bench/1',
  createdAt,
  gateway: '0.1.0',
  machine: {
    board: 'Pi 5',
    cpu: 'Cortex-A76',
    cores: 4,
    memoryBytes: 8e9,
    system: 'linux arm64',
    node: 'v24.0.0',
    governor: 'performance',
    load: 0.1,
  },
  settings: { seconds: 1, seed: 1, latencyBoundMs: 20, multiStreamSamples: 8 },
  models: [
    {
      model: { name: 'mlp', version: '1', sha256: 'ab' },
      runtime: 'onnx',
      loadMs: 5,
      inputs: 'golden',
      scenarios: [],
    },
  ],
});

it('lists the reports of a folder, newest first, without what is none, and shows one', async () => {
  const folder = temporaryFolder();
  expect(await benchEntries(join(folder, 'absent'))).toEqual([]);
  writeFileSync(join(folder, 'b-old.json'), JSON.stringify(report('2026-01-01T00:00:00Z')));
  writeFileSync(join(folder, 'a-new.json'), JSON.stringify(report('2026-02-01T00:00:00Z')));
  writeFileSync(join(folder, 'broken.json'), '{');
  writeFileSync(join(folder, 'a-new.html'), '<p>');
  mkdirSync(join(folder, 'folder.txt'));
  const entries = await benchEntries(folder);
  expect(entries.map(({ id }) => id)).toEqual(['a-new', 'b-old']);
  expect(benchEntry.parse(entries[0])).toMatchObject({
    board: 'Pi 5',
    models: ['mlp@1'],
    signature: 'unsigned',
  });
  expect(await benchReport(folder, 'a-new')).toMatchObject({ createdAt: '2026-02-01T00:00:00Z' });
  for (const id of ['../b-old', 'none', 'a-new.html', ''])
    await expect(benchReport(folder, id), id).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await expect(benchReport(folder, 'broken')).rejects.toMatchObject({ code: 'BENCH_REPORT' });
});
