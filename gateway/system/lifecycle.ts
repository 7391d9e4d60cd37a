import type { Log } from '../ports/log.ts';

/** Something with a life of its own. `stop` undoes all that `start` did, also a start that failed half-way. */
export interface Part {
  readonly name: string;
  start(signal: AbortSignal): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Starts parts in order and stops them in reverse. When one fails to start, those before it are stopped and the
 * failure is thrown. Stopping goes on past a part that fails; its error is logged.
 */
export class Lifecycle implements Part {
  readonly name = 'gateway';
  private readonly parts: readonly Part[];
  private readonly log: Log;
  private started: Part[] = [];

  constructor(parts: readonly Part[], log: Log) {
    this.parts = parts;
    this.log = log;
  }

  async start(signal: AbortSignal): Promise<void> {
    for (const part of this.parts) {
      this.started.push(part);
      const begun = performance.now();
      try {
        signal.throwIfAborted();
        await part.start(signal);
      } catch (error) {
        await this.stop();
        throw error;
      }
      this.log.debug(
        { part: part.name, ms: Math.round(performance.now() - begun) },
        `gateway: ${part.name} started`,
      );
    }
  }

  async stop(): Promise<void> {
    const started = this.started;
    this.started = [];
    for (const part of started.reverse()) {
      try {
        await part.stop();
      } catch (error) {
        this.log.error(
          { part: part.name, error: String(error) },
          `gateway: ${part.name} did not stop cleanly, going on`,
        );
      }
    }
  }
}
