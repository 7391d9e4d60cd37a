/** Tells how far something is. Silent for anything quick; a bar on a terminal, plain lines elsewhere. */
export interface Progress {
  /** @param done how much of `total` is done; may be called as often as one likes */
  update(done: number, note?: string): void;
  /** Takes the bar away. */
  end(): void;
}

export interface ProgressOptions {
  readonly label: string;
  readonly total: number;
  readonly stream: { readonly isTTY?: boolean; readonly columns?: number; write(text: string): unknown };
  /** Monotonic milliseconds. */
  readonly now?: () => number;
}

/** Below this nobody needs to be told. */
const QUIET_MS = 1000;
const TERMINAL_STEP_MS = 100;
const LINE_STEP_MS = 5000;

export function createProgress(options: ProgressOptions): Progress {
  const { label, stream } = options;
  const total = Math.max(1, options.total);
  const now = options.now ?? (() => performance.now());
  const terminal = stream.isTTY === true;
  const begin = now();
  let last = begin + QUIET_MS - (terminal ? TERMINAL_STEP_MS : LINE_STEP_MS);
  let shown = false;
  return {
    update(done, note = '') {
      const at = now();
      if (at - begin < QUIET_MS || at - last < (terminal ? TERMINAL_STEP_MS : LINE_STEP_MS)) return;
      last = at;
      shown = true;
      const share = Math.min(1, done / total);
      const percent = `${Math.floor(share * 100)}`.padStart(3);
      const left = share > 0 && share < 1 ? ` ${seconds(((at - begin) / share) * (1 - share))} left` : '';
      const text = `${percent}%${left}${note === '' ? '' : `  ${note}`}`;
      if (!terminal) {
        stream.write(`${label}: ${text.trim()}\n`);
        return;
      }
      const room = Math.max(10, Math.min(30, (stream.columns ?? 80) - label.length - text.length - 5));
      const full = Math.round(share * room);
      stream.write(`\r\u001b[K${label} ${'█'.repeat(full)}${'░'.repeat(room - full)} ${text}`);
    },
    end() {
      if (shown && terminal) stream.write('\r\u001b[K');
    },
  };
}

const seconds = (ms: number): string =>
  ms < 90_000 ? `${Math.ceil(ms / 1000)} s` : `${Math.ceil(ms / 60_000)} min`;
