/** Structured log lines. A message begins with the actor and says what happens next. Secrets never enter. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  /** A log whose lines carry `actor`. */
  child(actor: string): Log;
}
