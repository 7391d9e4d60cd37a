import type { CloseReason } from './connection.ts';

/** What the door counts; totals since start unless it says "now". */
export interface BrokerStats {
  /** Connections now, and those of them without a finished CONNECT. */
  readonly connections: number;
  readonly halfOpen: number;
  readonly accepted: number;
  /** Connections turned away because `maxConnections` was reached. */
  readonly refusedConnections: number;
  readonly closed: Readonly<Record<CloseReason, number>>;
  /** Publications from clients. */
  readonly received: number;
  /** Publications that are settled and durable wherever something keeps them; wills and the gateway's own included. */
  readonly stored: number;
  /** Those that no stream maps: handed on to subscribers only. */
  readonly unrouted: number;
  /** Not stored and not acknowledged. */
  readonly refused: number;
  readonly denied: number;
  /** QoS 2 repetitions that were not stored again. */
  readonly repeated: number;
  /** Publications whose commit is awaited now. */
  readonly pending: number;
  /** Messages handed to subscribers that no queue holds, and those dropped because a subscriber was too slow (QoS 0). */
  readonly delivered: number;
  readonly dropped: number;
  readonly subscriptions: number;
  readonly subscriptionsDenied: number;
  /** Persistent sessions now, those refused because `maxSessions` was reached, those expired. */
  readonly sessions: number;
  readonly sessionsRefused: number;
  readonly sessionsExpired: number;
  /** Messages in queues of persistent sessions now; not queued because a bound was reached. */
  readonly queuedMessages: number;
  readonly queuedBytes: number;
  readonly queueDropped: number;
  readonly retained: number;
  readonly retainedBytes: number;
  readonly retainedRefused: number;
  readonly authFailures: number;
  /** Changes of broker state given up because the store took no writes for too long. */
  readonly stateLost: number;
  /** Whether reading stands still because the store is behind, and how often that began. */
  readonly gateClosed: boolean;
  readonly gateClosings: number;
}
