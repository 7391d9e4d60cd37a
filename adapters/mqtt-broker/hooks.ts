import type { AedesOptions, Client } from 'aedes';
import type { AccessControl } from '../../gateway/ports/access.ts';
import type { Log } from '../../gateway/ports/log.ts';
import type { Bridge } from './bridge.ts';
import type { Connection } from './connection.ts';
import type { Delivery } from './delivery.ts';
import type { Ingress } from './ingress.ts';
import type { Sessions } from './sessions.ts';
import { isReserved } from './topic.ts';

export interface HookParts {
  readonly access: AccessControl;
  readonly sessions: Sessions;
  readonly delivery: Delivery;
  readonly ingress: Ingress;
  readonly log: Log;
  readonly maxSubscriptions: number;
  /** The live connection of a client identifier. */
  connected(clientId: string): Connection | undefined;
  /** A connection has been let in under its client identifier. */
  admitted(connection: Connection): void;
  now(): number;
  readonly counts: { authFailures: number; subscriptionsDenied: number; sessionsRefused: number };
}

/** CONNACK codes (MQTT 3.1.1 §3.2.2.3). */
const SERVER_UNAVAILABLE = 3;
const BAD_CREDENTIALS = 4;
const NOT_AUTHORISED = 5;

const connectionOf = (client: Client): Connection => (client.conn as Bridge).connection;

const refusal = (returnCode: number, message: string) => Object.assign(new Error(message), { returnCode });

/** What aedes asks before it acts: who may connect, publish, subscribe and receive. */
export function hooks(parts: HookParts): AedesOptions {
  return {
    preConnect(client, packet, callback) {
      // The door keeps time itself: aedes does not see every packet.
      packet.keepalive = 0;
      const connection = connectionOf(client);
      const { will } = packet;
      if (will && connection.state === 'connecting') connection.willTopic = will.topic;
      callback(null, true);
    },

    authenticate(client, username, password, callback) {
      const connection = connectionOf(client);
      const { clientId, peer } = connection;
      connection.clientId = client.id;
      const credentials = {
        clientId,
        peer,
        ...(username === undefined ? {} : { username }),
        ...(password === undefined ? {} : { password }),
      };
      parts.access.authenticate(credentials).then(
        (principal) => {
          const refused = principal ? admit(parts, connection, principal) : BAD_CREDENTIALS;
          if (refused === null) callback(null, true);
          else callback(refusal(refused, 'refused') as never, false);
        },
        (cause: unknown) => {
          parts.log.error({ cause: String(cause) }, 'mqtt: authentication failed, the client may try again');
          callback(refusal(SERVER_UNAVAILABLE, 'authentication unavailable') as never, false);
        },
      );
    },

    authorizePublish(client, packet, callback) {
      const payload = Buffer.isBuffer(packet.payload) ? packet.payload : Buffer.from(packet.payload);
      const { topic, qos, retain } = packet;
      const connection = client ? connectionOf(client) : null;
      if (connection && packet.messageId !== undefined) {
        const message = { topic, qos, retain, packetId: packet.messageId };
        parts.ingress.onExactlyOnce(connection, message, payload, callback);
        return;
      }
      // A will: its connection has ended, so nobody is told how it went.
      const principal = connection?.principal ?? null;
      if (!principal || isReserved(topic) || !parts.access.mayPublish(principal, topic)) {
        callback(new Error('will not allowed'));
        return;
      }
      parts.ingress.onOwn(principal, { topic, qos, retain, packetId: 0 }, payload, true, callback);
    },

    authorizeSubscribe(client, subscription, callback) {
      const connection = connectionOf(client);
      const { topic, qos } = subscription;
      const known = connection.filters.has(topic);
      const allowed =
        connection.principal !== null &&
        // Shared subscriptions need MQTT 5; as a plain filter the name would match nothing.
        !topic.startsWith('$share/') &&
        (known || connection.filters.size < parts.maxSubscriptions) &&
        parts.access.maySubscribe(connection.principal, topic);
      if (!allowed) {
        parts.counts.subscriptionsDenied++;
        // 128 in SUBACK; a stored subscription that is no longer allowed goes.
        if (connection.session?.subscriptions.has(topic))
          parts.sessions.unsubscribe(connection.session, topic);
        callback(null, null);
        return;
      }
      parts.delivery.subscribe(connection, topic, qos as 0 | 1 | 2);
      callback(null, subscription);
    },

    /** Only retained messages come this way; everything else the door delivers itself. */
    authorizeForward(client, packet) {
      const connection = connectionOf(client);
      const qos = Math.min(packet.qos, parts.delivery.qosOf(connection, packet.topic)) as 0 | 1 | 2;
      if (qos > 0 && connection.session) {
        // It waits for its acknowledgement like any other message of the session, also across a crash; where the
        // queue is full it is still sent, once.
        const payload = Buffer.isBuffer(packet.payload) ? packet.payload : Buffer.from(packet.payload);
        const queued = parts.sessions.appendRetained(
          connection.session,
          packet.topic,
          payload,
          qos === 2 ? 2 : 1,
        );
        if (queued) return null as never;
      }
      return { ...packet, qos, messageId: qos > 0 ? connection.nextPacket() : undefined } as typeof packet;
    },
  };
}

/** Lets a client in, or answers with the CONNACK code why not. */
function admit(
  parts: HookParts,
  connection: Connection,
  principal: NonNullable<Connection['principal']>,
): number | null {
  const { clientId } = connection;
  const existing = parts.sessions.get(clientId);
  const rival = parts.connected(clientId);
  // A client identifier belongs to who uses it: nobody may take over another's session or throw its client out.
  if (
    (existing && existing.owner !== principal.name) ||
    (rival && rival.principal?.name !== principal.name)
  ) {
    parts.counts.authFailures++;
    return NOT_AUTHORISED;
  }
  const will = connection.willTopic;
  if (will !== null && (isReserved(will) || !parts.access.mayPublish(principal, will))) {
    parts.counts.authFailures++;
    return NOT_AUTHORISED;
  }
  if (!connection.clean && !existing && parts.sessions.full) {
    parts.counts.sessionsRefused++;
    return SERVER_UNAVAILABLE;
  }
  connection.principal = principal;
  if (!connection.clean) {
    const session = parts.sessions.open(clientId, principal.name);
    parts.sessions.attach(session, true, parts.now());
    // The rules may have changed while it was away; aedes asks again for the subscriptions themselves.
    parts.sessions.discard(session, (topic) => !parts.access.maySubscribe(principal, topic));
    session.rewind();
    connection.session = session;
  }
  parts.admitted(connection);
  return null;
}
