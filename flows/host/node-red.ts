import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import { createRequire } from 'node:module';

/**
 * The parts of Node-RED that the host uses, as types. Its own type package brings those of an editor and of express.
 */

/** A node of a running flow. */
export interface RunningNode {
  readonly id: string;
  readonly type: string;
  readonly name?: string;
  /** Id of its tab or subflow. */
  readonly z?: string;
}

export interface User {
  readonly username: string;
  readonly permissions: string;
}

/** Where Node-RED keeps what it keeps. Functions of its own keep the library. */
export interface StorageModule {
  init(settings: object, runtime: object): Promise<void>;
  getFlows(): Promise<unknown>;
  saveFlows(flows: unknown, user?: User): Promise<void>;
  getCredentials(): Promise<unknown>;
  saveCredentials(credentials: unknown): Promise<void>;
  getSettings(): Promise<unknown>;
  saveSettings(settings: unknown): Promise<void>;
}

export interface App extends RequestListener {
  use(path: string, handler: RequestListener): void;
  use(handler: (request: IncomingMessage, response: ServerResponse, next: () => void) => void): void;
}

export interface NodeRed {
  init(server: Server, settings: object): void;
  start(): Promise<void>;
  stop(): Promise<void>;
  readonly httpAdmin: App;
  readonly httpNode: App;
  readonly version: string | (() => string);
  readonly hooks: { add(name: string, handler: (event: { destination?: { id: string } }) => void): void };
  readonly nodes: { getNode(id: string): RunningNode | null };
  readonly events: { on(name: string, listener: (event: unknown) => void): void };
}

interface Telemetry {
  enable?: () => unknown;
  disable?: () => unknown;
}

export interface Loaded {
  readonly red: NodeRed;
  createApp(): App;
  /** Storage in files, whose library functions are used. */
  readonly files: StorageModule;
  readonly version: string;
}

/** @throws Error with the code MODULE_NOT_FOUND where Node-RED is not installed */
export function loadNodeRed(): Loaded {
  const here = createRequire(import.meta.url);
  const manifest = here.resolve('node-red/package.json');
  const inside = createRequire(manifest);
  // The editor offers to switch telemetry on. Here it stays off, whatever is clicked.
  const telemetry = inside('@node-red/runtime/lib/telemetry') as Telemetry;
  if (telemetry.disable) telemetry.enable = telemetry.disable;
  return {
    red: here('node-red') as NodeRed,
    createApp: inside('express') as () => App,
    files: inside('@node-red/runtime/lib/storage/localfilesystem') as StorageModule,
    version: (here('node-red/package.json') as { version: string }).version,
  };
}
