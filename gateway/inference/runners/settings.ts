/** What gateway.yaml says about runtimes: plain data, part of each plan. Holds paths of secrets and never a secret. */
export interface RuntimeSettings {
  readonly onnx: OnnxSettings;
  /** Credentials of servers, by address. */
  readonly servers: readonly ServerSettings[];
}

export interface OnnxSettings {
  /** Execution providers, the preferred one first. */
  readonly providers: readonly string[];
  /** Threads of one model. */
  readonly threads: number;
}

export interface ServerSettings {
  /** Bundles whose `remote.url` has this origin use what stands here. */
  readonly url: string;
  /** File with a bearer token, mode 0400 or 0600. */
  readonly tokenFile?: string | undefined;
  /** PEM file of the CA that signed its certificate; default: the system. */
  readonly ca?: string | undefined;
}

export const DEFAULT_SETTINGS: RuntimeSettings = { onnx: { providers: ['cpu'], threads: 1 }, servers: [] };
