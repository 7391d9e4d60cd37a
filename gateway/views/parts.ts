import type { Billing } from '../billing/index.ts';
import type { Config } from '../config/schema.ts';
import type { StatusView } from '../http/index.ts';
import type { InferenceService } from '../inference/index.ts';
import type { IntakeStats } from '../ingest/index.ts';
import type { Aggregates, Pipelines } from '../pipeline/index.ts';
import type { Alarms } from '../ports/alarms.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { ReadingValue } from '../ports/reading.ts';
import type { Access } from '../security/index.ts';
import type { JournalStream, Store } from '../store/types.ts';
import type { AlarmLog } from '../system/alarm-log.ts';
import type { Forwarders } from '../upstream/index.ts';

/** Everything the views read from; they change nothing. */
export interface ViewParts {
  readonly config: Config;
  readonly clock: Clock;
  readonly log: Log;
  readonly alarms: Alarms;
  /** What alarms there were. */
  readonly alarmLog: AlarmLog;
  /** Where the gateway stands, as it was saved last. */
  readonly location: () => Config['gateway']['location'];
  readonly store: Store;
  readonly readingStreams: ReadonlyMap<string, JournalStream<ReadingValue>>;
  readonly intake: { stats(): IntakeStats };
  readonly inference: InferenceService;
  readonly pipelines: Pipelines;
  readonly aggregates: Aggregates;
  readonly forwarders: Forwarders;
  readonly billing: Billing;
  readonly access: Access;
  /** Where the doors listen. */
  readonly addresses: () => readonly string[];
  /** Inference requests from outside since the start. */
  readonly requests: () => StatusView['requests'];
  /** MQTT clients connected now. */
  readonly connections: () => number;
  /** What the bounds of the MQTT door turned away since the start, by what it is. */
  readonly turnedAway: () => Readonly<Record<string, number>>;
}
