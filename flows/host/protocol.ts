/**
 * What the flows host and its supervisor say to each other: JSON, one object a line. On file descriptor 3 they ask and
 * answer; on 4 a thread of its own tells every second how the process does, also while a flow keeps the main thread.
 * Types only: both sides may import it.
 */

/** File descriptors in the host. */
export interface Pipes {
  readonly talk: 3;
  readonly watch: 4;
}

/** How the nodes of the palette reach the gateway that runs them. Valid for this run of the gateway only. */
export interface OwnGateway {
  readonly mqtt: string;
  readonly http: string;
  readonly user: string;
  readonly password: string;
  /** Bearer token of the HTTP interface. */
  readonly token: string;
}

/** The first line, to the host. */
export interface Start {
  readonly kind: 'start';
  /** Path of the Unix socket it listens on. */
  readonly socket: string;
  /** Whoever sends it in a request is the gateway. */
  readonly doorSecret: string;
  /** Folder that is the flows' own: context, library, installed nodes. */
  readonly userDir: string;
  /** Folder of the nodes that come with the gateway; null where they are not there. */
  readonly palette: string | null;
  /** Key that credentials in flows are encrypted with. */
  readonly credentialKey: string;
  readonly own: OwnGateway;
  /** Load the flows without running them. */
  readonly safeMode: boolean;
  /** How long a function node may run without a pause. */
  readonly functionSeconds: number;
  /** Modules that may be installed from the palette manager; none: it is off. */
  readonly installable: readonly string[];
  /** Modules that function nodes may use. */
  readonly functionModules: readonly string[];
  /** Shown in the editor. */
  readonly title: string;
}

export type Kept = 'flows' | 'credentials' | 'settings';

export type ToHost =
  | Start
  | { readonly kind: 'answer'; readonly id: number; readonly text: string }
  | { readonly kind: 'refused'; readonly id: number; readonly message: string }
  | { readonly kind: 'stop' };

/** A node of a flow, as well as it is known. */
export interface NodeName {
  readonly id: string;
  readonly type?: string;
  readonly name?: string;
  /** Label of its tab. */
  readonly flow?: string;
}

export type FromHost =
  | { readonly kind: 'ready'; readonly version: string; readonly safeMode: boolean }
  | { readonly kind: 'load'; readonly id: number; readonly what: Kept }
  | {
      readonly kind: 'keep';
      readonly id: number;
      readonly what: Kept;
      readonly text: string;
      /** Who has deployed. */
      readonly author: string;
    }
  | { readonly kind: 'log'; readonly level: 'error' | 'warn' | 'info'; readonly text: string }
  /** The last words: an error that nobody caught. The process ends. */
  | { readonly kind: 'fault'; readonly message: string; readonly node?: NodeName };

/** Once a second, from the thread that watches. */
export interface Beat {
  /** Milliseconds since the main thread last had a turn. */
  readonly stalled: number;
  /** Id of the function node that keeps the main thread, else of the node that was last given a message; '' before any. */
  readonly node: string;
  /** Id of the node during whose messages memory has grown most lately; '' where it has not. */
  readonly growing: string;
  /** Processor time since the last beat, as a share of the time that passed. */
  readonly busy: number;
  /** Resident memory of the process, bytes. */
  readonly rss: number;
}
