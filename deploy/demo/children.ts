import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** What the demo's processes tell their parent. */
export type ChildMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'note'; readonly message: string }
  | { readonly kind: 'first-record'; readonly record: string; readonly topic: string; readonly body: string }
  | {
      readonly kind: 'totals';
      readonly received: number;
      readonly repeated: number;
      readonly malformed: number;
    };

const KILL_AFTER_MS = 3000;

/** Processes of the demo; `stop` ends exactly those that this object started. */
export class Children {
  private readonly running = new Map<string, ChildProcess>();
  private readonly onMessage: (name: string, message: ChildMessage) => void;
  private readonly onExit: (name: string, code: number | null) => void;
  /** Those that are meant to end. */
  private readonly ending = new Set<string>();

  constructor(
    onMessage: (name: string, message: ChildMessage) => void,
    onExit: (name: string, code: number | null) => void,
  ) {
    this.onMessage = onMessage;
    this.onExit = onExit;
  }

  /** Starts `deploy/demo/<name>`, as TypeScript or, in a build, as JavaScript. */
  start(name: string, words: readonly string[]): ChildProcess {
    const suffix = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
    const file = fileURLToPath(new URL(`./${name}${suffix}`, import.meta.url));
    const child = fork(file, words, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    this.running.set(name, child);
    child.on('message', (message) => this.onMessage(name, message as ChildMessage));
    child.once('exit', (code) => {
      this.running.delete(name);
      if (!this.ending.has(name)) this.onExit(name, code);
    });
    return child;
  }

  async stop(names: readonly string[]): Promise<void> {
    const chosen = names.flatMap((name) => this.running.get(name) ?? []);
    for (const name of names) this.ending.add(name);
    await Promise.all(
      chosen.map(
        (child) =>
          new Promise<void>((done) => {
            if (child.exitCode !== null || child.signalCode !== null) return done();
            const timer = setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS);
            child.once('exit', () => {
              clearTimeout(timer);
              done();
            });
            child.kill('SIGTERM');
          }),
      ),
    );
  }
}
