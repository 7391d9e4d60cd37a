import { Worker } from 'node:worker_threads';
import type { CutReport } from './files.ts';

/** A mounted folder that forgets what was not synced when its power is cut. Needs root and FUSE. */
export interface PowerFolder {
  /** Takes the power away: nothing that is asked from now on is done or answered. */
  freeze(): Promise<void>;
  /** Fails what was asked after {@link freeze}, so that doomed processes can end. */
  release(): Promise<void>;
  /** To be called once nobody uses it: puts it into the state that a restart finds. */
  restore(): Promise<CutReport>;
  close(): Promise<void>;
}

export async function mountPowerFolder(folder: string, seed: number): Promise<PowerFolder> {
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: { folder, seed } });
  const waiting = new Map<number, { done: (value: never) => void; fail: (error: Error) => void }>();
  let ids = 0;
  worker.on('message', ({ id, value, error }: { id: number; value?: unknown; error?: string }) => {
    const asked = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) asked?.done(value as never);
    else asked?.fail(new Error(error));
  });
  worker.on('error', (error) => {
    for (const { fail } of waiting.values()) fail(error as Error);
  });
  const ask = <T>(command: string): Promise<T> =>
    new Promise((done, fail) => {
      const id = ++ids;
      waiting.set(id, { done, fail });
      worker.postMessage({ id, command });
    });
  await ask('mount');
  return {
    freeze: () => ask('freeze'),
    release: () => ask('release'),
    restore: () => ask('cut'),
    async close() {
      await ask('unmount');
      await worker.terminate();
    },
  };
}
