import type { OutputValue } from './inference.ts';

/** A result as it is published (interfaces.md, MQTT). `id` is stable across replays. */
export interface ResultDocument {
  readonly id: string;
  readonly pipeline: string;
  readonly device: string;
  /** Milliseconds since the epoch: the event time of the reading that completed the window. */
  readonly time: number;
  readonly model: { readonly name: string; readonly version: string; readonly sha256: string };
  readonly outputs: Readonly<Record<string, OutputValue>>;
}

/** The newest results, for doors that show them (CoAP Observe, HTTP). */
export interface ResultFeed {
  /** JSON text of the newest result. */
  latest(pipeline: string, device: string): string | undefined;
  pipelines(): readonly string[];
  /** Devices with a result, bounded. */
  devices(pipeline: string): readonly string[];
  /** Called for each new result, in order. Returns the function that ends it. Listeners must not throw. */
  subscribe(listener: (pipeline: string, device: string, json: string) => void): () => void;
}
