import type { LimitsConfig } from '../../gateway/config/schema.ts';

/** Levels of a topic or filter. Deep enough for any plant; each level costs a step for every match. */
export const MAX_TOPIC_LEVELS = 32;
/** Time from TCP (or TLS) connection to a finished CONNECT, ms. */
export const CONNECT_TIMEOUT_MS = 10_000;
/** Connections that have not sent CONNECT; when there are more, the oldest of them goes. */
export const MAX_HALF_OPEN = 500;
/** QoS 2 messages of one client that wait for its PUBREL; MQTT 3.1.1 has no way to tell the client. */
export const MAX_INCOMING = 500;
/** How long `stop` waits for commits that are under way, ms. */
export const STOP_GRACE_MS = 5000;
/** Between looks at time-outs of connections, ms. */
export const TICK_MS = 500;
/** Between looks at expired sessions, ms. */
export const EXPIRY_TICK_MS = 60_000;
/** Between looks at what the bounds turned away, ms. */
export const LIMITS_TICK_MS = 5000;
/** Between looks at whether the store has caught up, ms. */
export const GATE_POLL_MS = 5;

/** The part of the `limits` section that the broker keeps. */
export type BrokerLimits = Pick<
  LimitsConfig,
  | 'maxConnections'
  | 'maxPacketBytes'
  | 'maxQueuedMessages'
  | 'maxQueuedBytes'
  | 'maxRetained'
  | 'maxSubscriptions'
  | 'maxSessions'
  | 'sessionExpiry'
  | 'drainTimeout'
>;

/** Messages that all connections together may bring in one turn of the event loop: about 4 ms of work. */
export const MESSAGES_PER_TURN = 1024;
