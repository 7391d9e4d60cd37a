/** Serves a folder whose power can be cut, on a thread of its own, so that others may use it with blocking calls. */
import { spawn } from 'node:child_process';
import { closeSync, openSync, read, writeSync } from 'node:fs';
import { promisify } from 'node:util';
import { parentPort, workerData } from 'node:worker_threads';
import { seededRandom } from '../../../models/training/random.ts';
import { PowerFiles } from './files.ts';
import { answer, REQUEST_BYTES, refusal } from './fuse.ts';

const { folder, seed } = workerData as { readonly folder: string; readonly seed: number };
const random = seededRandom(seed);
const readSome = promisify(read);

let files = new PowerFiles();
let device = -1;
let served: Promise<void> = Promise.resolve();
/** What happens to requests: `hold` leaves them unanswered, for good or until {@link COMMANDS.release}. */
let mode: 'serve' | 'hold' | 'refuse' = 'serve';
const held: Buffer[] = [];

function run(command: string, words: readonly string[], fd?: number): Promise<void> {
  const stdio = ['ignore', 'ignore', 'inherit', ...(fd === undefined ? [] : [fd])] as const;
  return new Promise((done, fail) => {
    const child = spawn(command, words, { stdio: [...stdio] });
    child.once('error', fail);
    child.once('exit', (code) => (code === 0 ? done() : fail(new Error(`${command} ended with ${code}`))));
  });
}

async function serve(fd: number): Promise<void> {
  const buffer = Buffer.alloc(REQUEST_BYTES);
  for (;;) {
    let length: number;
    try {
      ({ bytesRead: length } = await readSome(fd, buffer, 0, buffer.length, null));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // The reader was interrupted, or took a request that its asker has given up.
      if (code === 'EINTR' || code === 'EAGAIN' || code === 'ENOENT') continue;
      if (code === 'ENODEV') return;
      if (code !== 'EPERM') throw error;
      // Not mounted yet.
      await new Promise((done) => setTimeout(done, 2));
      continue;
    }
    const request = buffer.subarray(0, length);
    if (mode === 'hold') held.push(Buffer.from(request));
    else send(fd, mode === 'refuse' ? refusal(request) : answer(files, request));
  }
}

function send(fd: number, bytes: Buffer | undefined): void {
  if (!bytes) return;
  try {
    writeSync(fd, bytes);
  } catch (error) {
    // The asker is gone.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

async function mount(): Promise<void> {
  device = openSync('/dev/fuse', 'r+');
  mode = 'serve';
  served = serve(device);
  await run(
    'mount',
    ['-i', '-t', 'fuse', '-o', 'fd=3,rootmode=40000,user_id=0,group_id=0', 'power', folder],
    device,
  );
}

async function unmount(): Promise<void> {
  await run('umount', ['-l', folder]);
  await served;
  closeSync(device);
}

const COMMANDS: Readonly<Record<string, () => unknown>> = {
  mount,
  unmount,
  /** From now on nothing is written and nothing answered. */
  freeze() {
    mode = 'hold';
  },
  /** Fails what was asked since; the askers must be doomed by now. */
  release() {
    mode = 'refuse';
    for (const request of held.splice(0)) send(device, refusal(request));
  },
  /** Goes on with what the disk has after the cut. */
  async cut() {
    await unmount();
    const after = files.cut(random);
    files = after.files;
    await mount();
    return after.report;
  },
};

parentPort!.on('message', ({ id, command }: { readonly id: number; readonly command: string }) => {
  Promise.resolve(COMMANDS[command]!()).then(
    (value) => parentPort!.postMessage({ id, value }),
    (error: Error) => parentPort!.postMessage({ id, error: error.message }),
  );
});
