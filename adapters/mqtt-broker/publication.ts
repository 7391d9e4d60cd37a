import type { Principal } from '../../gateway/ports/access.ts';
import type { Disposition, Inbound } from '../../gateway/ports/source.ts';
import type { ModuleOp } from '../../gateway/store/types.ts';
import type { Connection } from './connection.ts';
import type { Queued } from './sessions.ts';

/** What a publication costs while it waits, beside its payload: its objects here and in the journal's next commit. */
const PUBLICATION_BYTES = 512;
/**
 * A QoS 2 message is a transaction of its own and four packets through aedes: it counts as so many others where shares
 * are measured.
 */
export const EXACTLY_ONCE_WEIGHT = 20;

/** What became of a publication: it may be acknowledged and handed on, or it must not be. */
export type Outcome = 'taken' | 'refused';

/** What a PUBLISH says besides its payload. */
export interface MessageParts {
  readonly topic: string;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly packetId: number;
}

const NONE = Buffer.alloc(0);

/** One PUBLISH from its arrival to the commits it waits for; to the intake it is the message itself. */
export class Publication implements Inbound {
  next: Publication | null = null;
  outcome: Outcome | null = null;
  /** Its place in the queues of persistent sessions. */
  queued: Queued | null = null;
  readonly connection: Connection | null;
  readonly principal: Principal | undefined;
  readonly address: string;
  payload: Buffer;
  /** Whether a connected client wanted it when it came. */
  wanted = true;
  /** Its share of what its connection may have waiting, in bytes. */
  readonly cost: number;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly packetId: number;
  /** In place of a PUBACK, for what came through aedes: QoS 2 and wills. */
  readonly release: ((outcome: Outcome) => void) | null;
  ops: readonly ModuleOp[] | undefined = undefined;
  #open = 1;
  #refused = false;
  readonly #onSettled: (publication: Publication) => void;

  constructor(
    connection: Connection | null,
    principal: Principal | null,
    message: MessageParts,
    payload: Buffer,
    release: ((outcome: Outcome) => void) | null,
    onSettled: (publication: Publication) => void,
  ) {
    this.connection = connection;
    this.principal = principal ?? undefined;
    this.address = message.topic;
    this.payload = payload;
    this.cost = payload.length + PUBLICATION_BYTES * (message.qos === 2 ? EXACTLY_ONCE_WEIGHT : 1);
    this.qos = message.qos;
    this.retain = message.retain;
    this.packetId = message.packetId;
    this.release = release;
    this.#onSettled = onSettled;
  }

  get door(): 'mqtt' {
    return 'mqtt';
  }

  get topic(): string {
    return this.address;
  }

  /** Whether some part of it was refused already. */
  get refused(): boolean {
    return this.#refused;
  }

  /** One more commit to wait for. */
  wait(): void {
    this.#open++;
  }

  /** What the intake is told to call: one function for all of them. */
  static readonly onDisposition = (disposition: Disposition, publication: Publication): void => {
    publication.settle(disposition.kind !== 'refused');
  };

  /** Nobody gets this message from here, so what it was read from may go. */
  letGo(): void {
    this.payload = NONE;
  }

  settle(taken: boolean): void {
    if (!taken) this.#refuse();
    if (--this.#open > 0) return;
    this.outcome = this.#refused ? 'refused' : 'taken';
    this.#onSettled(this);
  }

  #refuse(): void {
    this.#refused = true;
    // Nothing behind it is taken any more: the client would send this one again, and it would come after those.
    if (this.qos > 0 && this.connection) this.connection.refusing = true;
  }
}
