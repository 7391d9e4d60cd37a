import type { Disposition, Inbound, Intake } from '../ports/source.ts';

const HEARD: Disposition = { kind: 'stored', readings: 0 };

/** The intake of the MQTT doors, with an ear for `<prefix>/status`: `online` is the birth of Home Assistant. */
export class BirthIntake implements Intake {
  readonly #intake: Intake;
  readonly #topic: string;
  readonly #born: () => void;

  constructor(intake: Intake, topic: string, born: () => void) {
    this.#intake = intake;
    this.#topic = topic;
    this.#born = born;
  }

  routes(door: string, address: string): boolean {
    return (door === 'mqtt' && address === this.#topic) || this.#intake.routes(door, address);
  }

  offer<M extends Inbound>(message: M, done: (disposition: Disposition, message: M) => void): void {
    if (message.door !== 'mqtt' || message.address !== this.#topic) {
      this.#intake.offer(message, done);
      return;
    }
    const { payload } = message;
    if (payload.length === 6 && Buffer.from(payload).toString() === 'online') this.#born();
    done(HEARD, message);
  }
}

/** Where Home Assistant says that it is there. */
export const birthTopic = (prefix: string): string => `${prefix}/status`;
