/** What the simulated devices share: each runs in its own process and ends with its parent. */

/** Calls `task` every `ms`, never overlapping: a tick that finds the last one unfinished is skipped. */
export function every(ms: number, task: () => Promise<void> | void): void {
  let running = false;
  setInterval(async () => {
    if (running) return;
    running = true;
    try {
      await task();
    } catch (error) {
      report(`${(error as Error).message}; trying again in ${ms} ms`);
    } finally {
      running = false;
    }
  }, ms);
}

/** A line for the parent's terminal. */
export function report(message: string): void {
  process.send?.({ kind: 'note', message });
}

/** Ends this process when the parent is gone, however it went. */
export function liveWithParent(): void {
  process.on('disconnect', () => process.exit(0));
  process.on('SIGINT', () => {}); // Ctrl-C reaches the whole group; the parent says when to stop
  process.on('SIGTERM', () => process.exit(0));
}

/** The value of `--name VALUE` on the command line. */
export function option(name: string): string {
  const at = process.argv.indexOf(`--${name}`);
  const value = at < 0 ? undefined : process.argv[at + 1];
  if (value === undefined) {
    process.stderr.write(`--${name} VALUE is missing\n`);
    process.exit(2);
  }
  return value;
}
