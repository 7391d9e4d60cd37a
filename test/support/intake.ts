import { asGatewayError } from '../../gateway/errors.ts';
import type { Disposition, Inbound, Intake } from '../../gateway/ports/source.ts';
import type { ModuleOp } from '../../gateway/store/types.ts';

export interface RecordingIntake extends Intake {
  /** Every message offered, in order, with its own copy of the payload. */
  readonly offered: Inbound[];
  /** Messages whose disposition is held back, oldest first. */
  readonly waiting: number;
  /** From now on nothing is answered until {@link release}. */
  hold(): void;
  /** Answers the `count` oldest held messages (default: all) and, when none is left, stops holding. */
  release(count?: number): void;
  /** What becomes of a message; default: stored as one reading. */
  answer: (message: Inbound) => Disposition;
  /** Stores what doors send along with a message that is not refused; default: nothing does. */
  runOps: (ops: readonly ModuleOp[]) => Promise<unknown>;
}

/** An intake that keeps what it is offered in memory and answers when it is told to. */
export function recordingIntake(routes: (address: string) => boolean = () => true): RecordingIntake {
  const offered: Inbound[] = [];
  const held: (() => void)[] = [];
  let holding = false;
  const intake: RecordingIntake = {
    offered,
    get waiting() {
      return held.length;
    },
    answer: () => ({ kind: 'stored', readings: 1 }),
    runOps: async () => [],
    hold() {
      holding = true;
    },
    release(count = held.length) {
      for (const settle of held.splice(0, count)) settle();
      if (held.length === 0) holding = false;
    },
    routes: (_door, address) => routes(address),
    offer(message, done) {
      const copy = { ...message, door: message.door, payload: Uint8Array.from(message.payload) };
      offered.push(copy);
      const settle = (): void => {
        const disposition = intake.answer(copy);
        const ops = disposition.kind === 'refused' ? [] : (copy.ops ?? []);
        if (ops.length === 0) done(disposition, message);
        else
          intake.runOps(ops).then(
            () => done(disposition, message),
            (error: unknown) => done({ kind: 'refused', error: asGatewayError(error) }, message),
          );
      };
      if (holding) held.push(settle);
      else queueMicrotask(settle);
    },
  };
  return intake;
}
