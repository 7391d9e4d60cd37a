/** How a payer reaches a gateway. "Not reachable" is a value and not an exception. */

export type LinkAnswer<T> =
  | { readonly ok: true; readonly value: T }
  | {
      readonly ok: false;
      /** `unreachable`: no usable answer, try later · `refused`: the gateway said no, with its code. */
      readonly kind: 'unreachable' | 'refused';
      readonly code?: string;
      readonly reason: string;
    };

/** The one answer to an inference request, as it went over the wire. */
export interface LinkReply {
  readonly body: Uint8Array;
  /** Length of the JSON when binary tensors follow it. */
  readonly headerBytes?: number;
  /** Code and message of an error answer; absent: success. */
  readonly error?: { readonly code: string; readonly message: string };
}

/** What comes from the gateway without being asked for: heads, states of channels. */
export type LinkNews =
  | { readonly kind: 'head'; readonly channel: string; readonly document: unknown }
  | { readonly kind: 'state'; readonly channel: string; readonly document: unknown }
  /** A document that was handed over was not taken. */
  | { readonly kind: 'refused'; readonly channel: string; readonly reason: string };

export interface PayerLink {
  /** For people: `http://127.0.0.1:8080`. */
  readonly target: string;
  /** Sends a request whose body is an Open Inference Protocol document, and waits for its answer. */
  infer(model: string, id: string, body: Uint8Array, signal: AbortSignal): Promise<LinkAnswer<LinkReply>>;
  /** Hands a signed document over, as JSON. `ok` once the gateway has it. */
  deliver(channel: string, kind: 'ack' | 'ceiling', document: object): Promise<LinkAnswer<null>>;
  /** Receipts of a channel from a number on; absent where the link cannot be asked. */
  receipts?(channel: string, from: number, limit: number): Promise<LinkAnswer<readonly unknown[]>>;
  /** How the gateway sees a channel. */
  channel?(channel: string): Promise<LinkAnswer<unknown>>;
  /** What the gateway asks for: tariff, provider, device, ledger. */
  offer?(): Promise<LinkAnswer<unknown>>;
  /** Listens for news of channels; absent where there are none to be had. */
  listen?(channels: readonly string[], onNews: (news: LinkNews) => void): Promise<LinkAnswer<null>>;
  close(): Promise<void>;
}
