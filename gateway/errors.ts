/**
 * Coded errors. Every error that leaves a module is a {@link GatewayError}: it says what was received, what
 * was expected and what to do. {@link ERROR_CODES} is the one table of all codes.
 */

/** Each code with the advice a user gets when the thrower has nothing more precise to say. */
export const ERROR_CODES = {
  // general
  INTERNAL: 'This is a fault of the gateway. Keep the log lines around it and report them.',
  USAGE: 'Run `aimx-gateway --help` for the commands and their options.',
  STOPPING: 'The gateway is stopping; send again when it is back.',
  // configuration
  CONFIG_INVALID: 'Run `aimx-gateway check` and mend each line it names.',
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

export interface ErrorDetail {
  /** What arrived, shortened to something fit for a log line. Never a secret. */
  readonly received?: unknown;
  /** What would have been accepted. */
  readonly expected?: string;
  /** What to do about it; defaults to the advice of the code. */
  readonly fix?: string;
  readonly cause?: unknown;
}

export class GatewayError extends Error {
  readonly code: ErrorCode;
  readonly received: unknown;
  readonly expected: string | undefined;
  readonly fix: string;

  constructor(code: ErrorCode, message: string, detail: ErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.name = 'GatewayError';
    this.code = code;
    this.received = detail.received;
    this.expected = detail.expected;
    this.fix = detail.fix ?? ERROR_CODES[code];
  }

  toJSON(): Record<string, unknown> {
    return {
      code: this.code,
      message: this.message,
      ...(this.received === undefined ? {} : { received: this.received }),
      ...(this.expected === undefined ? {} : { expected: this.expected }),
      fix: this.fix,
    };
  }
}

/** Anything thrown, as a coded error; foreign errors become INTERNAL with the original as cause. */
export function asGatewayError(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new GatewayError('INTERNAL', message, { cause: error });
}
