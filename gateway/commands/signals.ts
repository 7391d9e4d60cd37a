import type { Command, ExitCode } from './command.ts';

interface SignalSource {
  on?(event: 'SIGINT' | 'SIGTERM', listener: () => void): unknown;
  off?(event: 'SIGINT' | 'SIGTERM', listener: () => void): unknown;
}

/**
 * Runs a command with a signal that SIGINT and SIGTERM abort, when it asked for one (`longRunning`). A second SIGINT
 * ends the process at once: the journal survives that.
 */
export async function withSignal(
  command: Command,
  source: SignalSource,
  run: (signal: AbortSignal) => Promise<ExitCode>,
): Promise<ExitCode> {
  const controller = new AbortController();
  if (!command.longRunning) return await run(controller.signal);
  const interrupt = (): void => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort();
  };
  const terminate = (): void => controller.abort();
  source.on?.('SIGINT', interrupt);
  source.on?.('SIGTERM', terminate);
  try {
    return await run(controller.signal);
  } finally {
    source.off?.('SIGINT', interrupt);
    source.off?.('SIGTERM', terminate);
  }
}
