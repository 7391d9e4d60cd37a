import { availableParallelism, loadavg } from 'node:os';
import { join } from 'node:path';
import type { FromHost, NodeName, OwnGateway, Start } from '../../flows/host/protocol.ts';
import type { FlowsConfig } from '../config/schema.ts';
import { GatewayError } from '../errors.ts';
import type { Alarms } from '../ports/alarms.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import { newSecret } from '../security/secrets.ts';
import { Backoff } from '../system/backoff.ts';
import { type HostEnd, HostProcess } from './host-process.ts';
import { paletteFolder } from './palette.ts';
import type { HostDoor } from './proxy.ts';
import { makeQuarters, type Quarters } from './quarters.ts';
import { spawnFlowsHost } from './spawn-host.ts';
import type { FlowVault } from './vault.ts';
import { CrashLoop, endText, findNode, nodeText } from './verdict.ts';

/**
 * `idle`: nothing was ever deployed, so nothing runs until somebody opens the editor. `safe-mode`: the flows are loaded and do
 * not run, until somebody deploys. `waiting`: for the next try.
 */
export type FlowsState = 'stopped' | 'missing' | 'idle' | 'starting' | 'running' | 'safe-mode' | 'waiting';

export interface SupervisorParts {
  readonly config: FlowsConfig;
  readonly name: string;
  readonly dataDir: string;
  readonly vault: FlowVault;
  readonly clock: Clock;
  readonly log: Log;
  readonly alarms: Alarms;
  /** How flows reach this gateway, asked for at each start. */
  readonly own: () => OwnGateway;
}

/** Memory of the process besides the objects of flows: Node.js, Node-RED's code, buffers. */
const BESIDE_HEAP = 320 * 1024 * 1024;
/** With the gateway they have less time to close than at a restart: Node-RED gives a node fifteen seconds. */
const STOP_MS = 5000;
const RESTART_MS = 17_000;
const PAUSES = { first: 500, last: 30_000, jitter: 0 };
const CRASHED = 'flows-crashed';
const FELL_BACK = 'flows-fell-back';

/** Flows come last where processors are short: what looks hung may only wait. Zero where the system does not tell. */
const crowding = (): number => Math.min(6, Math.max(1, loadavg()[0]! / availableParallelism()));

/** Keeps a flows host alive: starts it again after it ended, and with other flows when the present ones keep ending it. */
export class Supervisor {
  readonly #parts: SupervisorParts;
  readonly #log: Log;
  readonly #backoff = new Backoff(PAUSES);
  readonly #loop: CrashLoop;
  #host: HostProcess | undefined;
  #door: HostDoor | undefined;
  #quarters: Quarters | undefined;
  #state: FlowsState = 'stopped';
  #safeMode = false;
  #restarts = 0;
  #version: string | null = null;
  #lastEnd: string | null = null;
  #blamed: NodeName | undefined;
  #readyAt: number | null = null;
  #stopping = false;
  #cancelGood: () => void = () => undefined;
  #cancelStart: () => void = () => undefined;
  #credentialKey = '';
  #palette: string | null = null;

  constructor(parts: SupervisorParts) {
    this.#parts = parts;
    this.#log = parts.log;
    this.#loop = new CrashLoop(parts.config.fallback.crashes, parts.config.fallback.within);
  }

  /** Where the host can be reached; undefined while it cannot. */
  get door(): HostDoor | undefined {
    return this.#host?.ready ? this.#door : undefined;
  }

  status() {
    return {
      state: this.#state,
      version: this.#version,
      pid: this.#host?.pid ?? null,
      restarts: this.#restarts,
      lastEnd: this.#lastEnd,
      readyAt: this.#readyAt,
    };
  }

  /** Starts the host where there are flows to run; answers when it is on its way, not when it is ready. */
  async start(): Promise<void> {
    const { vault } = this.#parts;
    await vault.open();
    if (this.#stopping) return;
    if (vault.snapshots.current) await this.#prepare();
    else this.#state = 'idle';
  }

  /** Somebody wants the editor. */
  wake(): void {
    if (this.#state !== 'idle') return;
    this.#prepare().catch((error: unknown) => this.#giveUp(error));
  }

  async #prepare(): Promise<void> {
    const { config, dataDir, vault } = this.#parts;
    this.#state = 'starting';
    this.#credentialKey = await vault.credentialKey();
    this.#palette = await paletteFolder((text) => this.#log.warn({}, text));
    if (this.#stopping) return;
    this.#quarters = makeQuarters(dataDir, join(vault.folder, 'user'), config.user);
    this.#launch();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#cancelStart();
    this.#cancelGood();
    await this.#host?.stop(STOP_MS);
    this.#quarters?.leave();
    this.#state = 'stopped';
  }

  /** Ends the host and starts it with the flows that are the present ones now. */
  async restart(): Promise<void> {
    this.#safeMode = false;
    this.#loop.reset();
    this.#backoff.reset();
    this.#cancelStart();
    this.#parts.alarms.clear(FELL_BACK);
    if (!this.#quarters) return await this.#prepare();
    await this.#host?.stop(RESTART_MS);
    if (!this.#stopping && !this.#host) this.#launch();
  }

  #launch(): void {
    const { config, clock, name, own } = this.#parts;
    const { home, runFolder, user } = this.#quarters!;
    const secret = newSecret();
    this.#door = { socket: join(runFolder, `${secret.slice(0, 8)}.sock`), secret };
    const start: Start = {
      kind: 'start',
      socket: this.#door.socket,
      doorSecret: secret,
      userDir: home,
      palette: this.#palette,
      credentialKey: this.#credentialKey,
      own: own(),
      safeMode: this.#safeMode,
      installable: config.palette.install ? config.palette.allow : [],
      // Before the process counts as hung, so that one function does not take all flows with it.
      functionSeconds: Math.min(5, config.hangAfter / 2000),
      functionModules: config.functionModules,
      title: name,
    };
    const maxRss = config.heapMiB * 1024 ** 2 + BESIDE_HEAP;
    const limits = { hangAfter: config.hangAfter, maxRss, crowding };
    this.#state = 'starting';
    const child = spawnFlowsHost(config.heapMiB, home, user);
    this.#host = new HostProcess(child, start, limits, clock, {
      ready: (version) => this.#onReady(version),
      ask: (message) => this.#answer(message),
      log: (level, text) => this.#log[level]({}, `flows: ${text}`),
      ended: (end) => void this.#onEnd(end).catch((error: unknown) => this.#giveUp(error)),
    });
  }

  #onReady(version: string): void {
    const { clock, config, vault } = this.#parts;
    this.#version = version;
    this.#readyAt = clock.now();
    this.#state = this.#safeMode ? 'safe-mode' : 'running';
    this.#log.info({ version }, `flows: Node-RED ${version} is ${this.#state}`);
    this.#watchOver(vault.snapshots.current?.id, config.fallback.goodAfter);
  }

  /** Flows that have run for a while are good. */
  #watchOver(id: number | undefined, after: number): void {
    this.#cancelGood();
    if (this.#safeMode) return;
    const { alarms, clock, vault } = this.#parts;
    this.#cancelGood = clock.after(after, () => {
      if (this.#host?.responsive !== true) return this.#watchOver(id, after);
      this.#backoff.reset();
      alarms.clear(CRASHED);
      if (id === undefined || vault.snapshots.current?.id !== id) return;
      vault.snapshots
        .judge(id, { good: clock.now(), failed: null })
        .catch((error: unknown) => this.#log.error({ err: error }, 'flows: cannot note that they run well'));
    });
  }

  async #answer(message: Extract<FromHost, { kind: 'load' | 'keep' }>): Promise<string> {
    const { alarms, config, vault } = this.#parts;
    if (message.kind === 'load') return await vault.load(message.what);
    const before = vault.snapshots.current?.id;
    await vault.keep(message.what, message.text, message.author);
    const now = vault.snapshots.current?.id;
    if (message.what === 'flows' && now !== before) {
      this.#log.info({ snapshot: now, author: message.author }, 'flows: deployed, kept as a snapshot');
      this.#loop.reset();
      this.#blamed = undefined;
      this.#safeMode = false;
      if (this.#host?.ready) this.#state = 'running';
      alarms.clear(FELL_BACK);
      this.#watchOver(now, config.fallback.goodAfter);
    }
    return '';
  }

  async #onEnd(end: HostEnd): Promise<void> {
    this.#host = undefined;
    this.#cancelGood();
    if (this.#stopping) return;
    if (end.kind === 'stopped') return this.#launch();
    const { alarms, clock, vault } = this.#parts;
    this.#restarts++;
    // One that ended before it could tell did most likely what the one before it did.
    this.#blamed = end.node ?? this.#blamed;
    const node = this.#blamed && findNode(this.#blamed, await vault.load('flows'));
    const why = `${endText(end)}; last at work: ${nodeText(node)}`;
    this.#lastEnd = why;
    this.#state = 'waiting';
    const loop = this.#loop.add(clock.monotonic());
    const unproven = vault.snapshots.current?.good === null;
    if (!this.#safeMode && (loop || (end.kind === 'hung' && unproven))) await this.#fallBack(why);
    else
      alarms.raise({
        kind: CRASHED,
        severity: 'warning',
        message: `The flows ${why}. They were started again.`,
        fix: 'Look at the node that is named, and deploy again; other parts of the gateway are not affected.',
        ...(node ? { detail: { node: node.id } } : {}),
      });
    if (!this.#stopping) this.#cancelStart = clock.after(this.#backoff.next(), () => this.#launch());
  }

  /** The newest flows that are known to run well; where there are none, the present ones without running them. */
  async #fallBack(why: string): Promise<void> {
    const { alarms, vault } = this.#parts;
    const bad = vault.snapshots.current;
    if (bad) await vault.snapshots.judge(bad.id, { failed: why, good: null });
    const good = vault.snapshots.lastGood(bad?.id);
    if (good) await vault.restore(good.id);
    else this.#safeMode = true;
    this.#loop.reset();
    alarms.raise({
      kind: FELL_BACK,
      severity: 'critical',
      message: good
        ? `The flows ${why}. Those of snapshot ${good.id} run in their place.`
        : `The flows ${why}. They are loaded and do not run.`,
      fix: bad
        ? `Mend the node that is named: \`aimx-gateway flows show ${bad.id}\` has the flows that failed, \`flows restore ${bad.id}\` brings them back.`
        : 'Mend the node that is named in the editor, and deploy.',
    });
  }

  #giveUp(error: unknown): void {
    this.#state = 'stopped';
    this.#log.error({ err: error }, 'flows: cannot go on, they stay stopped');
    this.#parts.alarms.raise({
      kind: CRASHED,
      severity: 'critical',
      message: `The flows cannot be started: ${error instanceof GatewayError ? error.message : String(error)}`,
      fix: 'See the log lines of flows, then `aimx-gateway flows restart`.',
    });
  }
}
