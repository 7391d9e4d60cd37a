/**
 * The stand-in for a cloud: an MQTT broker that keeps every record under a unique index on its id, so that a record
 * that arrives twice is counted once and shown as a repeat.
 *
 *     node deploy/demo/upstream.ts --port 1884 --db FILE
 */
import { createServer } from 'node:net';
import { DatabaseSync } from 'node:sqlite';
import { Aedes } from 'aedes';
import { liveWithParent, option } from './device.ts';

/** Newest records kept; older ones only stay counted. */
const KEEP = 100_000;
const REPORT_MS = 1000;

liveWithParent();
const db = new DatabaseSync(option('db'));
db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
  CREATE TABLE IF NOT EXISTS records (n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, topic TEXT NOT NULL, body TEXT NOT NULL);`);
const insert = db.prepare('INSERT OR IGNORE INTO records (id, topic, body) VALUES (?, ?, ?)');
const prune = db.prepare('DELETE FROM records WHERE n <= (SELECT MAX(n) FROM records) - ?');

const totals = { received: 0, repeated: 0, malformed: 0 };
const first = new Set<string>();

const broker = await Aedes.createBroker({ drainTimeout: 10_000 });
broker.authorizePublish = (client, packet, done) => {
  if (client) take(packet.topic, packet.payload.toString());
  done(null);
};

function take(topic: string, body: string): void {
  let id: unknown;
  try {
    id = (JSON.parse(body) as { id?: unknown }).id;
  } catch {
    totals.malformed++;
    return;
  }
  if (typeof id !== 'string') {
    totals.malformed++;
    return;
  }
  if (insert.run(id, topic, body).changes === 0) totals.repeated++;
  else totals.received++;
  const kind = topic.split('/')[2] ?? '';
  if (!first.has(kind) && first.size < 16) {
    first.add(kind);
    process.send?.({ kind: 'first-record', record: kind, topic, body });
  }
}

setInterval(() => {
  prune.run(KEEP);
  process.send?.({ kind: 'totals', ...totals });
}, REPORT_MS);

const server = createServer(broker.handle);
server.listen(Number(option('port')), '127.0.0.1', () => process.send?.({ kind: 'ready' }));
