import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { AuditView } from '../../gateway/http/views.ts';
import { seededRandom } from '../../models/training/random.ts';
import {
  freePorts,
  type GatewayPorts,
  startGatewayProcess,
  writeConfig,
} from '../support/gateway-process.ts';
import { startPublishers } from '../support/publishers.ts';
import { type Receiver, startReceiver } from '../support/receiver.ts';
import { until } from '../support/until.ts';

export interface DamageOptions {
  /** Starts with one flipped bit in journal data. */
  readonly flips: number;
  /** Starts with a file that is cut short. */
  readonly cuts: number;
  readonly seed: number;
}

export interface DamageReport {
  readonly readings: number;
  readonly flips: number;
  readonly cuts: number;
  /** Starts that failed, with the damage that caused it. */
  readonly failedStarts: readonly string[];
  /** Most readings that one flipped bit cost, and all of them together. */
  readonly mostLostToFlip: number;
  readonly lostToFlips: number;
  /** Readings that cutting cost, on average and in all: what lay behind the cut. */
  readonly lostToCuts: number;
  /** Cuts after which the damaged file was put aside. Not all: the end of a file may hold nothing. */
  readonly quarantined: number;
  /** Starts that lost something and neither put the file aside nor counted the loss. */
  readonly unnoticed: number;
  readonly auditHolds: boolean;
  readonly slowestReadyMs: number;
}

const STREAM = 'load';
const READINGS = 4000;

/** Stops a gateway that took readings and starts it again and again, each time with its files damaged anew. */
export async function damageTest(
  options: DamageOptions,
  tell: (line: string) => void,
): Promise<DamageReport> {
  const random = seededRandom(options.seed);
  const folder = mkdtempSync(join(tmpdir(), 'aimx-damage-'));
  const ports = await freePorts();
  try {
    const acknowledged = await fill(folder, ports);
    const database = readFileSync(join(folder, 'data', 'gateway.db'));
    const pieces = journalPieces(folder, database);
    tell(`${acknowledged.size} readings in ${database.length} bytes`);
    const outcomes = { flip: [] as Outcome[], cut: [] as Outcome[] };
    const failedStarts: string[] = [];
    for (let round = 0; round < options.flips + options.cuts; round++) {
      const kind = round < options.flips ? 'flip' : 'cut';
      const damaged = Buffer.from(database);
      let what: string;
      let length = damaged.length;
      if (kind === 'flip') {
        const piece = random.pick(pieces);
        const at = piece.offset + random.integer(0, piece.length - 1);
        damaged[at] = damaged[at]! ^ (1 << random.integer(0, 7));
        what = `a bit of byte ${at}`;
      } else {
        length = random.integer(0, damaged.length - 1);
        what = `cut at ${length}`;
      }
      try {
        outcomes[kind].push(await restart(folder, ports, damaged.subarray(0, length), acknowledged));
      } catch (error) {
        failedStarts.push(`${what}: ${(error as Error).message}`);
      }
      if ((round + 1) % 25 === 0) tell(`${round + 1}/${options.flips + options.cuts} starts`);
    }
    const all = [...outcomes.flip, ...outcomes.cut];
    const sum = (some: readonly Outcome[]): number => some.reduce((total, { lost }) => total + lost, 0);
    return {
      readings: acknowledged.size,
      flips: outcomes.flip.length,
      cuts: outcomes.cut.length,
      failedStarts,
      mostLostToFlip: Math.max(0, ...outcomes.flip.map(({ lost }) => lost)),
      lostToFlips: sum(outcomes.flip),
      lostToCuts: sum(outcomes.cut),
      quarantined: outcomes.cut.filter(({ quarantined }) => quarantined).length,
      unnoticed: all.filter(({ lost, quarantined, expired }) => lost > 0 && !quarantined && expired < lost)
        .length,
      auditHolds: all.every(({ auditHolds }) => auditHolds),
      slowestReadyMs: Math.round(Math.max(0, ...all.map(({ readyMs }) => readyMs))),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Whether the promise was kept. */
export const damageHolds = (report: DamageReport): boolean =>
  report.failedStarts.length === 0 &&
  report.mostLostToFlip <= 1 &&
  report.unnoticed === 0 &&
  report.auditHolds;

function configure(folder: string, ports: GatewayPorts, receiver: Receiver): void {
  writeConfig(folder, ports, {
    gateway: { name: 'damage', dataDir: './data' },
    streams: [{ id: STREAM, fields: { n: {}, value: {} } }],
    upstream: [{ id: 'receiver', http: { url: receiver.url, batch: 1000 }, send: ['readings'] }],
  });
}

/** The acknowledged readings of a gateway whose upstream was away, and that has stopped. Keeps its data in `whole`. */
async function fill(folder: string, ports: GatewayPorts): Promise<ReadonlySet<string>> {
  const receiver = await startReceiver();
  configure(folder, ports, receiver);
  await receiver.close();
  const gateway = await startGatewayProcess(folder, ports);
  const load = await startPublishers({ port: ports.mqtt, stream: STREAM, devices: 10, rate: 2000 });
  await until(() => load.acknowledged.length >= READINGS, `${READINGS} readings`, 60_000);
  await gateway.stop();
  await load.stop();
  cpSync(join(folder, 'data'), join(folder, 'whole'), { recursive: true });
  return new Set(load.acknowledged);
}

interface Piece {
  readonly offset: number;
  readonly length: number;
}

/** Where bytes of segments lie in the file: stretches of them that are found there as they are. */
function journalPieces(folder: string, database: Buffer): Piece[] {
  const db = new DatabaseSync(join(folder, 'whole', 'gateway.db'), { readOnly: true });
  const { id } = db.prepare('SELECT id FROM stream WHERE name = ?').get(STREAM) as { id: number };
  const rows = db.prepare(`SELECT body FROM segment_${id}`).all() as { body: Uint8Array }[];
  db.close();
  const length = 64;
  const pieces: Piece[] = [];
  for (const { body } of rows) {
    for (let from = 0; from + length <= body.length; from += length) {
      const offset = database.indexOf(body.subarray(from, from + length));
      if (offset >= 0) pieces.push({ offset, length });
    }
  }
  return pieces;
}

interface Outcome {
  readonly lost: number;
  /** What the audit counts as given up or damaged. */
  readonly expired: number;
  readonly quarantined: boolean;
  readonly auditHolds: boolean;
  readonly readyMs: number;
}

/** Starts on damaged data and lets everything that is left go upstream. */
async function restart(
  folder: string,
  ports: GatewayPorts,
  database: Buffer,
  acknowledged: ReadonlySet<string>,
): Promise<Outcome> {
  const data = join(folder, 'data');
  rmSync(data, { recursive: true });
  cpSync(join(folder, 'whole'), data, { recursive: true });
  writeFileSync(join(data, 'gateway.db'), database);
  const receiver = await startReceiver();
  configure(folder, ports, receiver);
  const gateway = await startGatewayProcess(folder, ports);
  try {
    let audit: AuditView[] = [];
    await until(
      async () => {
        audit = await gateway.api<AuditView[]>('/api/v1/audit');
        return audit.every(({ pending }) => pending === 0);
      },
      'everything to be upstream',
      30_000,
    );
    const arrived = new Set(
      receiver.records.map(({ device, body }) => `${device}:${(body.values as { n: number }).n}`),
    );
    const aside = join(data, 'quarantine');
    return {
      lost: acknowledged.difference(arrived).size,
      expired: audit.find(({ stream }) => stream === STREAM)?.expired ?? 0,
      quarantined: existsSync(aside) && readdirSync(aside).length > 0,
      auditHolds: audit.every(({ holds }) => holds),
      readyMs: gateway.readyMs,
    };
  } finally {
    await gateway.stop();
    await receiver.close();
  }
}
