import type { ErrorCode, GatewayError } from '../errors.ts';
import type { ModuleOp } from '../store/types.ts';

/** Where the answer to a request over MQTT goes. Kept with the request: it outlives a crash. */
export interface ReplyAddress {
  readonly topic: string;
  /** MQTT 5 Correlation Data, as it came. */
  readonly correlation?: Uint8Array;
}

/** How a door that publishes its answers lets the request decide about the topic. */
export interface ReplyRoute {
  /** Where the answer goes when the request names nothing; absent when there is no such place. */
  readonly address: ReplyAddress | undefined;
  readonly correlation?: Uint8Array;
  /** Whether answers may be sent there on behalf of this client. */
  mayUse(topic: string): boolean;
}

/** One inference request as it came in at a door. */
export interface InferenceCall {
  /** Model name, and version when one was asked for. */
  readonly model: string;
  readonly version?: string;
  /** JSON of the Open Inference Protocol v2, binary tensors behind it. The callee keeps it. */
  readonly body: Uint8Array;
  /** Length of the JSON; absent: it ends at its last brace. */
  readonly headerBytes?: number;
  /** Default `json`. With `cbor` the answer is CBOR too. */
  readonly encoding?: 'json' | 'cbor';
  /** Who is billed and whose ids these are: `consumer/<name>`. */
  readonly account: string;
  /** Whether the door acknowledges the request before it is answered: it is then stored first, see `accepted`. */
  readonly durable: boolean;
  /** What the door itself has to remember of the message: stored in one transaction with the request. */
  readonly ops?: readonly ModuleOp[];
  /** Runs once, when the request may be acknowledged: null, or the error why it could not be stored. */
  readonly accepted?: (error: GatewayError | null) => void;
  readonly reply?: ReplyRoute;
}

/** The one answer to a request. */
export interface InferenceReply {
  /** The request's own id, or one that was made up; absent when the request could not be read so far. */
  readonly id: string | undefined;
  /** HTTP status: 200, or that of `code`. */
  readonly status: number;
  /** Absent: success, and `body` is the answer. */
  readonly code?: ErrorCode;
  readonly message?: string;
  readonly body: Uint8Array;
  /** Length of the JSON in `body` when binary tensors follow it. */
  readonly headerBytes?: number;
  /** Whether it is the stored answer to an earlier request with this id. */
  readonly repeated: boolean;
}

/** Inference for callers from outside: every door hands its requests over here, and none of them reads them. */
export interface Serving {
  /** Answers one request: `done` runs exactly once, after the answer and its receipt are stored. Never throws. */
  infer(call: InferenceCall, done: (reply: InferenceReply) => void): void;
}

/** What `GET /v2…` shows, in the shapes of the protocol and of Triton's extensions. */
export interface ServingCatalog {
  server(): object;
  ready(): boolean;
  models(): object;
  /** Every installed version with its state (model repository extension). */
  index(onlyReady: boolean): object[];
  /** These throw MODEL_MISSING. */
  model(name: string, version?: string): object;
  modelReady(name: string, version?: string): boolean;
  config(name: string, version?: string): object;
  statistics(name?: string, version?: string): object;
}
