import { type DestinationStream, type Logger, pino } from 'pino';
import type { Log } from '../ports/log.ts';
import { logDestination } from './log-destination.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** Names of fields whose values never reach a log line, wherever they stand. */
const SECRET_FIELDS = ['password', 'passphrase', 'privateKey', 'token', 'authorization', 'secret'];

/** JSON log lines (pino) on `stream`, standard error by default, so that standard output stays for results. */
export function createLog(options: { level: LogLevel; stream?: DestinationStream }): Log {
  const redact = { paths: SECRET_FIELDS.flatMap((name) => [name, `*.${name}`]), censor: '[redacted]' };
  const root = pino({ level: options.level, redact, base: null }, options.stream ?? logDestination());
  return wrap(root);
}

function wrap(logger: Logger): Log {
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
    child: (actor) => wrap(logger.child({ actor })),
  };
}
