/**
 * What the nodes use of Node-RED's runtime, as types. There is no package for it that brings less than an editor.
 */

export interface Message {
  _msgid?: string;
  topic?: string;
  payload?: unknown;
  /** Name of the device that a message is about. */
  device?: unknown;
  [key: string]: unknown;
}

/** One message for the first output, or one entry for each output. */
export type Outgoing = Message | readonly (Message | null)[];
export type Send = (message: Outgoing) => void;
export type Done = (error?: Error) => void;

export interface StatusText {
  readonly fill?: 'red' | 'green' | 'yellow' | 'blue' | 'grey';
  readonly shape?: 'ring' | 'dot';
  readonly text?: string;
}

export interface NodeContext {
  get(key: string): unknown;
  set(key: string, value: unknown): void;
}

export interface FlowNode {
  readonly id: string;
  readonly type: string;
  readonly name?: string;
  /** Ids of the nodes behind each output. */
  readonly wires?: readonly (readonly string[])[];
  readonly credentials?: Readonly<Record<string, string | undefined>>;
  on(event: 'input', listener: (message: Message, send: Send, done: Done) => void): void;
  on(event: 'close', listener: (removed: boolean, done: () => void) => void): void;
  send(message: Outgoing): void;
  status(status: StatusText): void;
  error(error: string | Error, message?: Message): void;
  warn(text: string): void;
  log(text: string): void;
  context(): NodeContext;
}

export interface NodeConfig {
  readonly id: string;
  readonly type: string;
  readonly name?: string;
  readonly gateway?: string;
}

export interface AdminRequest {
  readonly body: unknown;
}

export interface AdminResponse {
  status(code: number): AdminResponse;
  json(body: unknown): void;
}

type AdminHandler = (request: AdminRequest, response: AdminResponse, next: () => void) => void;

export interface Red {
  readonly nodes: {
    createNode(node: unknown, config: NodeConfig): void;
    registerType(
      type: string,
      make: (this: FlowNode, config: never) => void,
      options?: { readonly credentials: Readonly<Record<string, { readonly type: 'text' | 'password' }>> },
    ): void;
    getNode(id: string): unknown;
  };
  readonly httpAdmin: { post(path: string, ...handlers: AdminHandler[]): void };
  readonly auth: { needsPermission(permission: string): AdminHandler };
  readonly settings: {
    /** The gateway that runs this Node-RED, where one does: addresses and secrets of this run. */
    readonly aimxGateway?: {
      readonly mqtt?: string;
      readonly http?: string;
      readonly user?: string;
      readonly password?: string;
      readonly token?: string;
    };
  };
  readonly util: { cloneMessage<T>(message: T): T };
  /** Text of a catalogue in the language of the runtime. */
  _(key: string, values?: Readonly<Record<string, string | number>>): string;
}
