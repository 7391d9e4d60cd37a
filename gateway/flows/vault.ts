import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Kept } from '../../flows/host/protocol.ts';
import { GatewayError } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import { replaceFile } from '../system/files.ts';
import { type Snapshot, type SnapshotLimits, Snapshots } from './snapshots.ts';

const LARGEST: Readonly<Record<Kept, number>> = {
  flows: 16 * 1024 * 1024,
  credentials: 1024 * 1024,
  settings: 4 * 1024 * 1024,
};
const KEY_BYTES = 32;

/**
 * What flows are made of, in `<dataDir>/flows`, out of reach of what runs in them: the flows, their credentials (encrypted by
 * Node-RED with a key that lies beside them, 0600), the editor's settings, and a snapshot of every deploy. One write at a time.
 */
export class FlowVault {
  readonly folder: string;
  readonly snapshots: Snapshots;
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: { dataDir: string; limits: SnapshotLimits; clock: Clock; log: Log }) {
    this.folder = join(parts.dataDir, 'flows');
    this.snapshots = new Snapshots({ ...parts, folder: join(this.folder, 'snapshots') });
  }

  async open(): Promise<void> {
    await mkdir(this.folder, { recursive: true, mode: 0o700 });
    await this.snapshots.open();
  }

  /** The key of credentials; made at the first start. */
  async credentialKey(): Promise<string> {
    const file = join(this.folder, 'credential.key');
    const kept = await readIfThere(file);
    if (kept === '') {
      const key = randomBytes(KEY_BYTES).toString('hex');
      await replaceFile(file, `${key}\n`);
      return key;
    }
    if (((await stat(file)).mode & 0o077) !== 0) await chmod(file, 0o600);
    return kept.trim();
  }

  /** As text; '' before anything was kept. */
  load(what: Kept): Promise<string> {
    return this.#turn(() => readIfThere(this.#fileOf(what)));
  }

  /**
   * Keeps what the editor has deployed; flows become a snapshot too.
   * @throws GatewayError FLOWS_SIZE
   */
  keep(what: Kept, text: string, author: string): Promise<void> {
    return this.#turn(async () => {
      if (Buffer.byteLength(text) > LARGEST[what])
        throw new GatewayError('FLOWS_SIZE', `the ${what} are too large`, {
          received: Buffer.byteLength(text),
          expected: `at most ${LARGEST[what]} bytes`,
        });
      await replaceFile(this.#fileOf(what), text);
      if (what !== 'flows') return;
      await this.snapshots.add(text, await readIfThere(this.#fileOf('credentials')), author);
    });
  }

  /** Makes the flows of a snapshot the present ones. @throws GatewayError FLOWS_SNAPSHOT */
  restore(id: number): Promise<Snapshot> {
    return this.#turn(async () => {
      const { flows, credentials } = await this.snapshots.read(id);
      await replaceFile(this.#fileOf('credentials'), JSON.stringify(credentials));
      await replaceFile(this.#fileOf('flows'), JSON.stringify(flows, null, 1));
      return await this.snapshots.makeCurrent(id);
    });
  }

  #fileOf(what: Kept): string {
    return join(this.folder, `${what}.json`);
  }

  #turn<T>(task: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(task, task);
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}

export async function readIfThere(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}
