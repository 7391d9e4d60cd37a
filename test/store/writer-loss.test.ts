import { join } from 'node:path';
import { expect, it } from 'vitest';
import { temporaryFolder } from '../support/tmp.ts';
import { append, audited, readAll, record, startedStore, TEXT } from './support.ts';

const MODULE = new URL('./lethal-module.ts', import.meta.url);

it('starts a new writer thread when the old one dies, and neither loses nor repeats anything', async () => {
  const dir = temporaryFolder();
  const { store, log } = await startedStore(dir, { modules: [MODULE] });
  const stream = store.stream('s', TEXT);
  const consumer = store.consumer('c', 's', 'oldest');
  await append(stream, record('1'));
  const before = append(stream, record('2'));
  const deadly = store.commit({
    ops: [{ op: 'lethal.exit', args: { marker: join(dir, 'marker'), once: true } }],
  });
  const after = append(stream, record('3'));
  expect(await deadly).toEqual(['survived']);
  await Promise.all([before, after]);
  await store.commit({ cursors: [{ ...consumer, seq: 2 }] });
  expect((await readAll(stream)).map(({ seq, deviceSeq, value }) => [seq, deviceSeq, value])).toEqual([
    [1, 1, '1'],
    [2, 2, '2'],
    [3, 3, '3'],
  ]);
  expect((await audited(store)).s).toMatchObject({ accepted: 3, pending: 1, holds: true });
  expect(log.lines.map((line) => line.message).join()).toContain('lost the writer thread');
  await store.stop();
});

it('refuses what kills the writer thread every time, and goes on', async () => {
  const { store } = await startedStore(temporaryFolder(), { modules: [MODULE] });
  const stream = store.stream('s', TEXT);
  await append(stream, record('1'));
  const deadly = store.commit({
    ops: [{ op: 'lethal.exit', args: { marker: '/nonexistent', once: false } }],
  });
  await new Promise((resolve) => setImmediate(resolve));
  const next = append(stream, record('2'));
  await expect(deadly).rejects.toMatchObject({ code: 'STORE_IO' });
  await next;
  expect((await readAll(stream)).map((one) => one.value)).toEqual(['1', '2']);
  await store.stop();
});
