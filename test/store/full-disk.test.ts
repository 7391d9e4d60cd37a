import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { temporaryFolder } from '../support/tmp.ts';
import { until } from '../support/until.ts';
import { append, audited, readAll, record, startedStore, TEXT } from './support.ts';

const BIG = 'x'.repeat(2000);

/** A file system of 8 MB that is gone after the test; undefined (with a plain message) without the right to mount. */
function smallDisk(): string | undefined {
  const dir = join(temporaryFolder(), 'disk');
  mkdirSync(dir);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', dir], { stdio: 'ignore' });
  } catch {
    console.warn('skipped: mounting a small file system needs root');
    return undefined;
  }
  onTestFinished(() => void execFileSync('umount', ['-l', dir]));
  return dir;
}

function fill(dir: string): void {
  const file = join(dir, 'other');
  for (let size = 1024 * 1024; size >= 4096; size /= 2) {
    for (let part = 0; part < 16; part++) {
      const free = statfsSync(dir);
      if (free.bavail * free.bsize < size) break;
      writeFileSync(file, new Uint8Array(size), { flag: 'a' });
    }
  }
}

describe('a full disk', () => {
  it('makes drop-oldest give up its oldest records, count them, and go on', async () => {
    const dir = smallDisk();
    if (dir === undefined) return;
    const { store, alarms } = await startedStore(dir);
    const stream = store.stream('s', TEXT);
    store.consumer('slow', 's', 'oldest');
    for (let round = 0; round < 120; round++) {
      await append(stream, ...Array.from({ length: 50 }, (_, index) => record(`${round}.${index}.${BIG}`)));
    }
    expect(stream.head).toBe(6000);
    expect(stream.tail).toBeGreaterThan(1000);
    expect(alarms.history.map((alarm) => alarm.kind)).toContain('store-full');
    const all = await readAll(stream);
    expect(all[0]?.seq).toBe(stream.tail);
    expect(all[all.length - 1]?.value.startsWith('119.49.')).toBe(true);
    const { s } = await audited(store);
    expect(s).toMatchObject({ accepted: 6000, holds: true, expired: stream.tail - 1 });
    await store.stop();
  });

  it('goes on within its own files when another program has taken the rest', async () => {
    const dir = smallDisk();
    if (dir === undefined) return;
    const { store } = await startedStore(dir);
    const stream = store.stream('s', TEXT);
    const consumer = store.consumer('c', 's', 'oldest');
    const some = () => append(stream, ...Array.from({ length: 20 }, () => record(BIG)));
    for (let round = 0; round < 60; round++) await some();
    fill(dir);
    for (let round = 0; round < 100; round++) await some();
    await store.commit({ cursors: [{ ...consumer, seq: stream.head }] });
    expect(stream.head).toBe(3200);
    expect((await audited(store)).s).toMatchObject({ accepted: 3200, pending: 0, holds: true });
    await store.stop();
  });

  it('makes reject-new refuse without loss, and accept again by itself when space returns', async () => {
    const dir = smallDisk();
    if (dir === undefined) return;
    const { store, alarms } = await startedStore(dir);
    const stream = store.stream('s', { ...TEXT, whenFull: 'reject-new' });
    const consumer = store.consumer('slow', 's', 'oldest');
    await append(stream, record('first'));
    fill(dir);
    let stored = 1;
    let refused: unknown;
    for (let round = 0; round < 5000 && refused === undefined; round++) {
      await append(stream, record(`${stored}.${BIG}`)).then(
        () => stored++,
        (error: unknown) => (refused = error),
      );
    }
    expect(refused).toMatchObject({ code: 'STORE_FULL' });
    expect(store.health.full).toBe(true);
    expect(stream.head).toBe(stored);
    // A consumer's commit is not refused: it waits, and moves as soon as it can.
    const moved = store.commit({ cursors: [{ ...consumer, seq: 1 }] });
    rmSync(join(dir, 'other'));
    await moved;
    await until(() => !store.health.full, 'space to be noticed', 12_000);
    expect(alarms.active().map((alarm) => alarm.kind)).not.toContain('store-full');
    await append(stream, record('last'));
    const all = await readAll(stream);
    expect(all.length).toBe(stored + 1);
    expect((await audited(store)).s).toMatchObject({ accepted: stored + 1, expired: 0, holds: true });
    await store.stop();
  });

  it('frees what consumers have passed when reject-new has filled the disk itself', async () => {
    const dir = smallDisk();
    if (dir === undefined) return;
    const { store } = await startedStore(dir);
    const stream = store.stream('s', { ...TEXT, whenFull: 'reject-new' });
    const consumer = store.consumer('c', 's', 'oldest');
    let refused = false;
    for (let round = 0; round < 500 && !refused; round++) {
      await append(stream, ...Array.from({ length: 50 }, () => record(BIG))).catch(() => (refused = true));
    }
    expect(refused).toBe(true);
    const { head } = stream;
    await store.commit({ cursors: [{ ...consumer, seq: head }] });
    await until(() => !store.health.full, 'room to be made', 12_000);
    await append(stream, record('again'));
    expect((await audited(store)).s).toMatchObject({ accepted: head + 1, expired: 0, holds: true });
    await store.stop();
  });
});
