import { expect, test } from 'vitest';
import { mlpModel } from '../../support/onnx.ts';
import { temporaryFolder } from '../../support/tmp.ts';
import { writeBundle } from '../bundles.ts';
import { mlpManifest, rowItems, runItems, startInference, summary } from '../service.ts';

const parts = (version: string) => ({
  name: 'mlp',
  version,
  model: mlpModel(version === '1' ? [4, 3] : [4, 5, 3]),
  manifest: mlpManifest(4, 3),
});

test('an added version waits until it is promoted; a rollback and a restart keep what was decided', async () => {
  const dir = temporaryFolder();
  const options = { installedDir: dir, newVersion: 'staged' } as const;
  writeBundle(dir, parts('1'));
  const { inference } = await startInference(dir, { preload: ['mlp'], ...options });
  const items = rowItems([[1, 2, 3, 4]]);
  const first = summary(await runItems(inference, 'mlp', items), 'out');
  writeBundle(dir, parts('2'));
  inference.rescan();
  expect(inference.model('mlp').version).toBe('1');
  const second = summary(await runItems(inference, 'mlp@2', items), 'out');
  expect(second).not.toEqual(first);

  const answers: unknown[] = [];
  let going = true;
  const caller = (async () => {
    while (going) answers.push(...summary(await runItems(inference, 'mlp', items), 'out'));
  })();
  await inference.life.promote('mlp@2');
  expect(summary(await runItems(inference, 'mlp', items), 'out')).toEqual(second);
  await inference.life.rollback('mlp', 'as a test');
  expect(summary(await runItems(inference, 'mlp', items), 'out')).toEqual(first);
  await inference.life.promote('mlp@2');
  going = false;
  await caller;
  expect(new Set(answers.map(String))).toEqual(new Set([...first, ...second].map(String)));

  const again = await startInference(dir, options);
  expect(again.inference.model('mlp').version).toBe('2');
  expect(again.inference.life.versions('mlp')).toEqual(['2', '1']);
  await again.inference.life.rollback('mlp');
  const third = await startInference(dir, { ...options, newVersion: 'live' });
  expect(third.inference.model('mlp').version).toBe('1');
});
