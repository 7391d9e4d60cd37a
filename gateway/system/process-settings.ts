import { accessSync, constants } from 'node:fs';

/** V8 and malloc read these when a process begins, and only then. */
export interface ProcessSettings {
  /** Flags of node, `--name=value`. */
  readonly flags: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** The part of `process` that this needs. */
export interface Restartable {
  readonly platform: NodeJS.Platform;
  readonly execPath: string;
  readonly execArgv: readonly string[];
  readonly argv: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Whether a parent talks to this process; the line would not outlive the restart. */
  readonly connected?: boolean;
  execve?(file: string, args: readonly string[], env: NodeJS.ProcessEnv): void;
}

/**
 * For a gateway that shares a small board with others. V8 by itself sizes its heap by the machine: on 24 GiB it lets
 * hundreds of MiB of garbage lie before it looks.
 *
 * - A small young generation, and an old one that is collected when it has grown by 80 %: both bound garbage, neither is a
 *   limit. Less takes more time: at full speed 60 % of growth costs a tenth more CPU per message, and 30 % two fifths.
 * - malloc keeps two heaps, not one per thread, and gives back what it no longer needs (glibc raises both thresholds by
 *   itself otherwise, and then keeps it).
 */
export const GATEWAY_SETTINGS: ProcessSettings = {
  flags: ['--max-semi-space-size=8', '--heap-growing-percent=80'],
  env: { MALLOC_ARENA_MAX: '2', MALLOC_TRIM_THRESHOLD_: '131072', MALLOC_MMAP_THRESHOLD_: '131072' },
};

/**
 * Begins the process again with the settings, as the same process (execve: same pid, same open standard streams), unless
 * it has them. What the user set stands. Costs 40 ms; to be called before anything else is loaded. Where it cannot be
 * done (not Linux, a parent with an IPC channel, the program replaced meanwhile), the process goes on as it is.
 */
export function restartWith(settings: ProcessSettings, self: Restartable): void {
  if (self.platform !== 'linux' || self.connected || self.execve === undefined) return;
  const given = [...self.execArgv, ...(self.env.NODE_OPTIONS?.split(/\s+/) ?? [])].map(nameOf);
  const flags = settings.flags.filter((flag) => !given.includes(nameOf(flag)));
  const env = Object.entries(settings.env).filter(([name]) => self.env[name] === undefined);
  if (flags.length === 0 && env.length === 0) return;
  if (!runs(self.execPath)) return;
  const [, ...words] = self.argv;
  self.execve(self.execPath, [self.execPath, ...self.execArgv, ...flags, ...words], {
    ...self.env,
    ...Object.fromEntries(env),
  });
}

/** A failed execve ends the process, so what can be known is asked before. */
function runs(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

const nameOf = (flag: string): string => flag.split('=', 1)[0]!.replaceAll('_', '-');
