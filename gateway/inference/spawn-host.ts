import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { getCompileCacheDir } from 'node:module';
import { fileURLToPath } from 'node:url';

/** Room for large image networks; a small board has not much more. */
export const DEFAULT_HOST_BYTES = 2 * 1024 ** 3;

/** What the host needs of the environment; the rest, which may hold secrets, stays here. */
const PASSED_ON = ['HOME', 'PATH', 'TMPDIR', 'LANG', 'LD_LIBRARY_PATH'] as const;

/** One V8 helper thread and small young spaces: the host has a single busy thread, and each costs resident memory. */
const NODE_FLAGS = ['--v8-pool-size=1', '--max-semi-space-size=2'];

/**
 * Sets the limits a process cannot set for itself in Node, then becomes the host. When memory runs out all the same,
 * the kernel takes the host and not the core.
 */
const LIMITED = 'ulimit -d "$0"; echo 500 >/proc/self/oom_score_adj; exec "$@"';

export interface HostLimits {
  /** What it can allocate. */
  readonly maxBytes: number;
  /** Whether runners save memory at the cost of speed. */
  readonly sparing: boolean;
}

/** Hosts that may have less resident memory than this save it. */
const SPARING_BELOW = 1024 ** 3;

/** Whether a host that may have so many bytes resident should save memory. */
export const isSparing = (maxRss: number): boolean => maxRss < SPARING_BELOW;

/** Starts the model host with its pipe as file descriptor 3. On Linux it can allocate at most `maxBytes`. */
export function spawnHost({ maxBytes, sparing }: HostLimits): ChildProcess {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const script = fileURLToPath(new URL(`./host/main.${extension}`, import.meta.url));
  const command = [process.execPath, ...NODE_FLAGS, script];
  const options: SpawnOptions = { stdio: ['ignore', 'ignore', 'pipe', 'pipe'], env: environment(sparing) };
  if (process.platform !== 'linux') return spawn(command[0]!, command.slice(1), options);
  return spawn('/bin/sh', ['-c', LIMITED, String(Math.ceil(maxBytes / 1024)), ...command], options);
}

/** Weights of a model that has left go back to the system at once: most of their bytes are in tensors larger than this. */
const MMAP_THRESHOLD = String(128 * 1024);

function environment(sparing: boolean): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = {
    ORT_DISABLE_TELEMETRY: '1',
    MALLOC_ARENA_MAX: '1',
    MALLOC_MMAP_THRESHOLD_: MMAP_THRESHOLD,
    ...(sparing ? { AIMX_SHORT_OF_MEMORY: '1' } : {}),
  };
  for (const name of PASSED_ON) if (process.env[name] !== undefined) env[name] = process.env[name];
  // Where the core keeps compiled code, the host starts faster and needs no TypeScript stripper in memory.
  const cache = getCompileCacheDir();
  if (cache) env.NODE_COMPILE_CACHE = cache;
  return env;
}
