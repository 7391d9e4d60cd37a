import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, it } from 'vitest';
import { PAGE_BYTES } from '../../gateway/store/writer/database.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { append, readAll, record, startedStore, TEXT } from './support.ts';

const pageSize = (file: string): unknown => {
  const db = new DatabaseSync(file, { readOnly: true });
  try {
    return (db.prepare('PRAGMA page_size').get() as { page_size: number }).page_size;
  } finally {
    db.close();
  }
};

it('takes over a database with the larger pages of an older version', async () => {
  const dir = temporaryFolder();
  const file = join(dir, 'gateway.db');
  const before = await startedStore(dir);
  const stream = before.store.stream('s', TEXT);
  for (let i = 0; i < 20; i++) await append(stream, record(`${i} ${'.'.repeat(i * 300)}`));
  await before.store.stop();
  const db = new DatabaseSync(file);
  db.exec('PRAGMA journal_mode = DELETE; PRAGMA page_size = 4096; VACUUM; PRAGMA journal_mode = WAL');
  db.close();
  expect(pageSize(file)).toBe(4096);

  const after = await startedStore(dir);
  const again = after.store.stream('s', TEXT);
  const values = (await readAll(again)).map((one) => one.value);
  expect(values).toEqual(Array.from({ length: 20 }, (_, i) => `${i} ${'.'.repeat(i * 300)}`));
  await append(again, record('new'));
  expect(again.head).toBe(21);
  expect(after.alarms.history).toEqual([]);
  await after.store.stop();
  expect(pageSize(file)).toBe(PAGE_BYTES);
});
