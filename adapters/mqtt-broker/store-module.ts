import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { StoreModule } from '../../gateway/store/types.ts';
import type { Change, StoredState } from './changes.ts';

/**
 * Tables of the MQTT broker: sessions, subscriptions, offline queues, QoS 2 identifiers, retained messages and wills.
 * Runs inside the store's writer thread.
 */

const TABLES = `
CREATE TABLE mqtt_sessions (client TEXT PRIMARY KEY, owner TEXT NOT NULL, seen REAL) WITHOUT ROWID;
CREATE TABLE mqtt_subscriptions (
  client TEXT NOT NULL, filter TEXT NOT NULL, options TEXT NOT NULL, PRIMARY KEY (client, filter)) WITHOUT ROWID;
CREATE TABLE mqtt_messages (id INTEGER PRIMARY KEY, topic TEXT NOT NULL, payload BLOB NOT NULL);
CREATE TABLE mqtt_offline (
  client TEXT NOT NULL, id INTEGER NOT NULL, qos INTEGER NOT NULL, packet INTEGER, released INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (client, id)) WITHOUT ROWID;
CREATE TABLE mqtt_retained (topic TEXT PRIMARY KEY, payload BLOB NOT NULL, qos INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE mqtt_incoming (
  client TEXT NOT NULL, packet INTEGER NOT NULL, PRIMARY KEY (client, packet)) WITHOUT ROWID;
CREATE TABLE mqtt_wills (
  client TEXT PRIMARY KEY, topic TEXT NOT NULL, payload BLOB NOT NULL, qos INTEGER NOT NULL, retain INTEGER NOT NULL
) WITHOUT ROWID;
`;

/** Queued messages that are retained copies for a new subscription. */
const RETAINED_COPIES = 'ALTER TABLE mqtt_offline ADD COLUMN retain INTEGER NOT NULL DEFAULT 0';

const SQL = {
  session: 'INSERT OR REPLACE INTO mqtt_sessions (client, owner, seen) VALUES (?, ?, ?)',
  endSession: 'DELETE FROM mqtt_sessions WHERE client = ?',
  endSubscriptions: 'DELETE FROM mqtt_subscriptions WHERE client = ?',
  endQueue: 'DELETE FROM mqtt_offline WHERE client = ?',
  endIncoming: 'DELETE FROM mqtt_incoming WHERE client = ?',
  subscribe: 'INSERT OR REPLACE INTO mqtt_subscriptions (client, filter, options) VALUES (?, ?, ?)',
  unsubscribe: 'DELETE FROM mqtt_subscriptions WHERE client = ? AND filter = ?',
  message: 'INSERT OR REPLACE INTO mqtt_messages (id, topic, payload) VALUES (?, ?, ?)',
  forget: 'DELETE FROM mqtt_messages WHERE id = ?',
  queue: 'INSERT OR REPLACE INTO mqtt_offline (client, id, qos, retain) VALUES (?, ?, ?, ?)',
  sent: 'UPDATE mqtt_offline SET packet = ?, released = ? WHERE client = ? AND id = ?',
  done: 'DELETE FROM mqtt_offline WHERE client = ? AND id = ?',
  retain: 'INSERT OR REPLACE INTO mqtt_retained (topic, payload, qos) VALUES (?, ?, ?)',
  unretain: 'DELETE FROM mqtt_retained WHERE topic = ?',
  hold: 'INSERT OR IGNORE INTO mqtt_incoming (client, packet) VALUES (?, ?)',
  letGo: 'DELETE FROM mqtt_incoming WHERE client = ? AND packet = ?',
  will: 'INSERT OR REPLACE INTO mqtt_wills (client, topic, payload, qos, retain) VALUES (?, ?, ?, ?, ?)',
  unwill: 'DELETE FROM mqtt_wills WHERE client = ?',
} as const;

type Statements = Record<keyof typeof SQL, StatementSync>;

const prepared = new WeakMap<DatabaseSync, Statements>();

function statements(db: DatabaseSync): Statements {
  let known = prepared.get(db);
  if (!known) {
    const entries = Object.entries(SQL).map(([name, sql]) => [name, db.prepare(sql)]);
    known = Object.fromEntries(entries) as Statements;
    prepared.set(db, known);
  }
  return known;
}

function applyOne(run: Statements, change: Change): void {
  switch (change.kind) {
    case 'session':
      run.session.run(change.client, change.owner, change.seen);
      return;
    case 'end':
      run.endSession.run(change.client);
      run.endSubscriptions.run(change.client);
      run.endQueue.run(change.client);
      run.endIncoming.run(change.client);
      return;
    case 'subscribe':
      run.subscribe.run(change.client, change.filter, change.options);
      return;
    case 'unsubscribe':
      run.unsubscribe.run(change.client, change.filter);
      return;
    case 'message':
      run.message.run(change.id, change.topic, change.payload);
      return;
    case 'forget':
      run.forget.run(change.id);
      return;
    case 'queue':
      run.queue.run(change.client, change.id, change.qos, change.retain ? 1 : 0);
      return;
    case 'sent':
      run.sent.run(change.packet, change.released ? 1 : 0, change.client, change.id);
      return;
    case 'done':
      run.done.run(change.client, change.id);
      return;
    case 'retain':
      if (change.payload) run.retain.run(change.topic, change.payload, change.qos);
      else run.unretain.run(change.topic);
      return;
    case 'incoming':
      (change.held ? run.hold : run.letGo).run(change.client, change.packet);
      return;
    case 'will':
      if (!change.will) {
        run.unwill.run(change.client);
        return;
      }
      run.will.run(
        change.client,
        change.will.topic,
        change.will.payload,
        change.will.qos,
        change.will.retain ? 1 : 0,
      );
  }
}

function rows<T>(db: DatabaseSync, sql: string): T[] {
  return db.prepare(sql).all() as T[];
}

export const storeModule: StoreModule = {
  name: 'mqtt',
  migrations: [TABLES, RETAINED_COPIES],
  ops: {
    apply(db: DatabaseSync, changes: readonly Change[]) {
      const run = statements(db);
      for (const change of changes) applyOne(run, change);
    },
  },
  queries: {
    load(db: DatabaseSync): StoredState {
      return {
        sessions: rows(db, 'SELECT client, owner, seen FROM mqtt_sessions'),
        subscriptions: rows(db, 'SELECT client, filter, options FROM mqtt_subscriptions'),
        messages: rows(db, 'SELECT id, topic, payload FROM mqtt_messages'),
        queue: rows(
          db,
          'SELECT client, id, qos, retain, packet, released FROM mqtt_offline ORDER BY client, id',
        ),
        retained: rows(db, 'SELECT topic, payload, qos FROM mqtt_retained'),
        incoming: rows(db, 'SELECT client, packet FROM mqtt_incoming'),
        wills: rows<{ retain: number }>(db, 'SELECT client, topic, payload, qos, retain FROM mqtt_wills').map(
          (row) => ({ ...row, retain: row.retain !== 0 }),
        ) as StoredState['wills'],
      };
    },
  },
};
