import type { ServingConfig } from '../config/schema.ts';
import type { Channels } from '../ports/channels.ts';
import type { Clock } from '../ports/clock.ts';
import type { Inference } from '../ports/inference.ts';
import type { Log } from '../ports/log.ts';
import type { Meter } from '../ports/meter.ts';
import type { Publisher } from '../ports/publisher.ts';
import type { Store } from '../store/types.ts';

export interface ServingParts {
  readonly config: ServingConfig;
  readonly store: Pick<Store, 'commit' | 'query'>;
  readonly inference: Inference;
  readonly meter: Meter;
  readonly channels: Channels;
  /** Where answers to requests over MQTT are published. */
  readonly publisher: Publisher;
  readonly clock: Clock;
  readonly log: Log;
}
