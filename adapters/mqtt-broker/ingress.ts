import type { AccessControl, Principal } from '../../gateway/ports/access.ts';
import type { Prepared } from '../../gateway/ports/publisher.ts';
import type { Intake } from '../../gateway/ports/source.ts';
import type { Connection } from './connection.ts';
import { type MessageParts, type Outcome, Publication } from './publication.ts';
import type { Retained } from './retained.ts';
import type { Session } from './session.ts';
import type { Sessions } from './sessions.ts';
import type { StateLog } from './state-log.ts';
import { isReserved } from './topic.ts';

export interface IngressParts {
  readonly intake: Intake;
  readonly access: AccessControl;
  readonly sessions: Sessions;
  readonly retained: Retained;
  readonly log: StateLog;
  /** Whether a connected client subscribes to the topic. */
  wanted(topic: string): boolean;
  /** Hands a message that is durable to the connected subscribers. */
  deliver(topic: string, payload: string | Uint8Array, qos: 0 | 1 | 2): void;
}

/**
 * Takes publications in: access, journal, queues of persistent sessions, retained message. A publication is settled
 * when all of that is durable. It is offered in one turn, so one group commit serves it; with QoS 2 it is one
 * transaction, so that a repetition never finds an identifier without its message, nor a message without it.
 */
export class Ingress {
  readonly #parts: IngressParts;
  #pending = 0;
  #idle: (() => void)[] = [];
  readonly counts = { received: 0, stored: 0, unrouted: 0, refused: 0, denied: 0, repeated: 0 };

  constructor(parts: IngressParts) {
    this.#parts = parts;
  }

  /** Publications that wait for a commit. */
  get pending(): number {
    return this.#pending;
  }

  /** Resolves when no publication waits. */
  idle(): Promise<void> {
    return this.#pending === 0 ? Promise.resolve() : new Promise((resolve) => this.#idle.push(resolve));
  }

  /** QoS 0 or 1 from a connection, acknowledged by PUBACK. */
  onPublish(connection: Connection, message: MessageParts, payload: Buffer): void {
    this.counts.received++;
    if (connection.refusing) {
      this.counts.refused++;
      return;
    }
    if (!this.#allowed(connection.principal, message.topic)) {
      connection.close('denied', `may not publish to ${message.topic}`);
      return;
    }
    const publication = new Publication(
      connection,
      connection.principal,
      message,
      payload,
      null,
      this.#onSettled,
    );
    this.#enter(connection, publication);
    this.#take(publication, null);
  }

  /** QoS 2, through aedes: `done` lets PUBREC go out. */
  onExactlyOnce(
    connection: Connection,
    message: MessageParts,
    payload: Buffer,
    done: (error: Error | null) => void,
  ): void {
    this.counts.received++;
    if (connection.refusing) {
      this.counts.refused++;
      return;
    }
    if (!this.#allowed(connection.principal, message.topic)) {
      connection.close('denied', `may not publish to ${message.topic}`);
      return;
    }
    const { sessions } = this.#parts;
    const session = sessions.incoming({ id: connection.clientId, clean: connection.clean });
    const known = session.incoming.get(message.packetId);
    if (known) {
      this.counts.repeated++;
      if (known.kind === 'committing') known.waiting.push(done);
      else done(null);
      return;
    }
    if (session.incoming.size >= sessions.maxIncoming) {
      connection.close('limit', `${session.incoming.size} QoS 2 messages without PUBREL`);
      return;
    }
    const waiting: ((error: Error | null) => void)[] = [done];
    session.incoming.set(message.packetId, { kind: 'committing', waiting });
    const release = (outcome: Outcome): void => {
      if (outcome === 'refused') {
        session.incoming.delete(message.packetId);
        sessions.hold(session, message.packetId, false);
      } else session.incoming.set(message.packetId, { kind: 'committed' });
      const error = outcome === 'refused' ? new Error('not stored') : null;
      for (const tell of waiting) tell(error);
    };
    const publication = new Publication(
      connection,
      connection.principal,
      message,
      payload,
      release,
      this.#onSettled,
    );
    this.#enter(connection, publication);
    this.#take(publication, session);
  }

  /** Hands a message of the gateway's own on, if nothing of it has to be kept. Answers whether it did. */
  passOn(topic: string, payload: string | Uint8Array, qos: 0 | 1 | 2, retain: boolean): boolean {
    if (retain || (qos > 0 && this.#parts.sessions.matching(topic).length > 0)) return false;
    this.counts.stored++;
    this.#parts.deliver(topic, payload, qos);
    return true;
  }

  /** A will, or a message of the gateway's own: nobody waits in line with it. */
  onOwn(
    principal: Principal | null,
    message: MessageParts,
    payload: Buffer,
    route: boolean,
    done: (error: Error | null) => void,
  ): void {
    const release = (outcome: Outcome): void => done(outcome === 'taken' ? null : new Error('not stored'));
    const publication = new Publication(null, principal, message, payload, release, this.#onSettled);
    this.#pending++;
    this.#take(publication, null, route);
  }

  /** Messages of the gateway's own that somebody else stores together with something. */
  prepareOwn(messages: readonly { readonly parts: MessageParts; readonly payload: Buffer }[]): Prepared {
    const publications = messages.map(
      ({ parts, payload }) => new Publication(null, null, parts, payload, null, this.#onSettled),
    );
    this.#pending += publications.length;
    const { ops, settle } = this.#parts.log.capture(() => {
      for (const publication of publications) this.#keep(publication, null);
    });
    return {
      ops,
      settle(stored) {
        settle();
        for (const publication of publications) publication.settle(stored);
      },
    };
  }

  #allowed(principal: Principal | null, topic: string): boolean {
    if (principal && !isReserved(topic) && this.#parts.access.mayPublish(principal, topic)) return true;
    this.counts.denied++;
    return false;
  }

  #enter(connection: Connection, publication: Publication): void {
    this.#pending++;
    connection.pendingBytes += publication.cost;
    if (connection.pendingTail) connection.pendingTail.next = publication;
    else connection.pendingHead = publication;
    connection.pendingTail = publication;
  }

  #take(publication: Publication, holder: Session | null, route = true): void {
    const { intake, log } = this.#parts;
    const routed = route && intake.routes('mqtt', publication.topic);
    if (route && !routed) this.counts.unrouted++;
    if (routed && publication.qos === 2) {
      // Exactly once: the message and all that the broker remembers of it are one transaction.
      const { ops, settle } = log.capture(() => this.#keep(publication, holder));
      publication.ops = ops;
      publication.wait();
      intake.offer(publication, (disposition) => {
        settle();
        Publication.onDisposition(disposition, publication);
      });
    } else {
      if (routed) {
        publication.wait();
        intake.offer(publication, Publication.onDisposition);
      }
      if (!publication.refused && this.#keep(publication, holder)) {
        publication.wait();
        log.whenDurable((error) => publication.settle(error === null));
      }
    }
    publication.wanted = this.#parts.wanted(publication.topic);
    if (!publication.wanted) publication.letGo();
    publication.settle(true);
  }

  /** Identifier, queues and retained message. Answers whether any of it must be durable before the acknowledgement. */
  #keep(publication: Publication, holder: Session | null): boolean {
    const { sessions, retained } = this.#parts;
    const { topic, payload, qos, retain, packetId } = publication;
    const held = holder !== null && sessions.hold(holder, packetId, true);
    if (qos > 0) publication.queued = sessions.enqueue(topic, payload, qos === 2 ? 2 : 1);
    if (retain) retained.set({ cmd: 'publish', topic, payload: Buffer.from(payload), qos, retain: true });
    return held || publication.queued !== null || (retain && qos > 0);
  }

  readonly #onSettled = (publication: Publication): void => {
    const { connection } = publication;
    if (!connection) {
      this.#finish(publication);
      return;
    }
    while (connection.pendingHead?.outcome) {
      const head = connection.pendingHead;
      connection.pendingHead = head.next;
      if (!head.next) connection.pendingTail = null;
      connection.pendingBytes -= head.cost;
      this.#finish(head);
    }
    connection.resume();
  };

  #finish(publication: Publication): void {
    this.#pending--;
    const { connection, queued } = publication;
    if (publication.outcome === 'refused') {
      this.counts.refused++;
      if (queued) this.#parts.sessions.withdraw(queued);
      publication.release?.('refused');
      // Not acknowledged, and the connection ends: the client sends it again when it is back.
      if (publication.qos > 0) connection?.close('refused', 'message not stored');
    } else {
      this.counts.stored++;
      if (publication.release) publication.release('taken');
      else if (publication.qos === 1) connection?.egress.acknowledge(publication.packetId);
      if (queued) this.#parts.sessions.confirm(queued);
      if (publication.wanted) this.#parts.deliver(publication.topic, publication.payload, publication.qos);
    }
    if (this.#pending > 0) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }
}
