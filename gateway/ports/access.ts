/** Who a connection is, once authenticated. */
export interface Principal {
  /** Device name, or `anonymous`. */
  readonly name: string;
  readonly anonymous: boolean;
  /** The MQTT client identifier (or what stands for it at another door): names the topic of its answers. */
  readonly clientId?: string;
}

export interface Credentials {
  readonly clientId: string;
  readonly username?: string;
  readonly password?: Uint8Array;
  /** Peer address, for throttling and the loopback rule. */
  readonly peer: string;
}

/** Authentication and access rules, deny by default. */
export interface AccessControl {
  /** The principal, or null when the credentials are not accepted. */
  authenticate(credentials: Credentials): Promise<Principal | null>;
  /** Covers ordinary messages, wills and retained messages; `$SYS` and `$share` are never writable. */
  mayPublish(principal: Principal, topic: string): boolean;
  maySubscribe(principal: Principal, filter: string): boolean;
}
