import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { LineReader, line } from '../../../flows/host/lines.ts';
import { FlowVault } from '../../../gateway/flows/vault.ts';
import { CrashLoop, findNode, nodeText } from '../../../gateway/flows/verdict.ts';
import { manualClock } from '../../support/clock.ts';
import { recordingLog } from '../../support/log.ts';
import { temporaryFolder } from '../../support/tmp.ts';

const flowsOf = (name: string): string => JSON.stringify([{ id: 'a', type: 'tab', label: name }], null, 1);

async function openVault(dataDir = temporaryFolder(), limits = { max: 50, maxBytes: 1_000_000 }) {
  const log = recordingLog();
  const vault = new FlowVault({ dataDir, limits, clock: manualClock(), log });
  await vault.open();
  return { vault, dataDir, log, ids: () => vault.snapshots.list().map(({ id }) => id) };
}

describe('what was deployed', () => {
  it('is kept with author and time, once, and comes back with its credentials', async () => {
    const { vault, dataDir, ids } = await openVault();
    await vault.keep('credentials', '{"$":"one"}', 'x');
    await vault.keep('flows', flowsOf('one'), 'ann');
    await vault.keep('flows', flowsOf('one'), 'ann');
    await vault.keep('credentials', '{"$":"two"}', 'x');
    await vault.keep('flows', flowsOf('two'), 'bob');
    expect(vault.snapshots.list()).toMatchObject([
      { id: 1, author: 'ann', nodes: 1, good: null, failed: null },
      { id: 2, author: 'bob' },
    ]);
    await vault.restore(1);
    expect(await vault.load('flows')).toBe(flowsOf('one'));
    expect(await vault.load('credentials')).toBe('{"$":"one"}');
    expect(vault.snapshots.current?.id).toBe(1);
    await expect(vault.restore(9)).rejects.toThrow(/no snapshot 9/);
    for (const name of readdirSync(join(dataDir, 'flows/snapshots'))) {
      expect(statSync(join(dataDir, 'flows/snapshots', name)).mode & 0o777, name).toBe(0o600);
    }
    const again = await openVault(dataDir);
    expect(again.vault.snapshots.current?.id).toBe(1);
    expect(again.ids()).toEqual(ids());
  });

  it('is bounded, and the present and the last good one stay', async () => {
    const { vault, ids } = await openVault(temporaryFolder(), { max: 4, maxBytes: 1_000_000 });
    for (let i = 1; i <= 3; i++) await vault.keep('flows', flowsOf(`${i}`), 'ann');
    await vault.snapshots.judge(2, { good: 1 });
    for (let i = 4; i <= 9; i++) await vault.keep('flows', flowsOf(`${i}`), 'ann');
    expect(ids()).toEqual([2, 7, 8, 9]);
    expect(vault.snapshots.lastGood(9)?.id).toBe(2);
    await vault.snapshots.judge(2, { failed: 'crashed' });
    expect(vault.snapshots.lastGood(9)).toBeUndefined();
    const small = await openVault(temporaryFolder(), { max: 50, maxBytes: 500 });
    for (let i = 1; i <= 9; i++) await small.vault.keep('flows', flowsOf(`${i}`), 'ann');
    expect(small.ids().length).toBeLessThan(6);
    expect(small.ids().at(-1)).toBe(9);
  });

  it('is found again when the list of it is damaged or gone', async () => {
    const { vault, dataDir } = await openVault();
    for (let i = 1; i <= 3; i++) await vault.keep('flows', flowsOf(`${i}`), 'ann');
    const index = join(dataDir, 'flows/snapshots/index.json');
    writeFileSync(index, '{"version":1,"cur');
    writeFileSync(join(dataDir, 'flows/snapshots/2.json'), 'no JSON');
    const damaged = await openVault(dataDir);
    expect(damaged.ids()).toEqual([1, 3]);
    expect(damaged.log.lines[0]?.message).toMatch(/damaged/);
    rmSync(index);
    const { vault: gone } = await openVault(dataDir);
    await gone.keep('flows', flowsOf('3'), 'ann');
    expect(gone.snapshots.current?.id).toBe(3);
  });

  it('has a limit, and a key that is made once and is nobody else’s', async () => {
    const { vault, dataDir } = await openVault();
    await expect(vault.keep('flows', `"${'x'.repeat(17_000_000)}"`, 'ann')).rejects.toThrow(/too large/);
    const key = await vault.credentialKey();
    expect(key).toMatch(/^[0-9a-f]{64}$/);
    expect(await (await openVault(dataDir)).vault.credentialKey()).toBe(key);
    const file = join(dataDir, 'flows/credential.key');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readFileSync(file, 'utf8').trim()).toBe(key);
  });
});

describe('what is said of a crash', () => {
  it('is a loop when so many come in such a time', () => {
    const loop = new CrashLoop(3, 1000);
    expect([0, 900, 1899].map((time) => loop.add(time))).toEqual([false, false, false]);
    expect(loop.add(1900)).toBe(false);
    expect(loop.add(2000)).toBe(true);
    loop.reset();
    expect(loop.add(2001)).toBe(false);
  });

  it('names the node as people know it', () => {
    const flows = JSON.stringify([
      { id: 't', type: 'tab', label: 'Heating' },
      { id: 'f', type: 'function', z: 't', name: 'scale' },
      { id: 'g', type: 'debug', z: 'x' },
    ]);
    expect(nodeText(findNode({ id: 'f' }, flows))).toBe('function "scale" in "Heating" (f)');
    expect(nodeText(findNode({ id: 'g' }, flows))).toBe('debug (g)');
    expect(nodeText(findNode({ id: 'h' }, flows))).toBe('node (h)');
    expect(nodeText(findNode({ id: 'h' }, 'no JSON'))).toBe('node (h)');
    expect(nodeText(undefined)).toBe('a node that is not known');
  });
});

describe('the line between host and supervisor', () => {
  it('is cut at its ends wherever the bytes are cut, and has a longest', () => {
    const seen: unknown[] = [];
    const reader = new LineReader(100, (value) => seen.push(value));
    const bytes = Buffer.from(line({ a: 'ä' }) + line({ b: [1, 2] }));
    for (const byte of bytes) reader.push(Buffer.of(byte));
    reader.push(bytes);
    expect(seen).toEqual([{ a: 'ä' }, { b: [1, 2] }, { a: 'ä' }, { b: [1, 2] }]);
    expect(() => reader.push(Buffer.alloc(101, 'x'))).toThrow(RangeError);
  });
});
