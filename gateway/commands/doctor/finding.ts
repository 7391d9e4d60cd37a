/** One thing that was looked at. */
export interface Finding {
  readonly check: string;
  /** `bad` makes the command fail; `warn` is worth a look; `skip`: could not be told. */
  readonly state: 'ok' | 'warn' | 'bad' | 'skip';
  readonly message: string;
  /** The command or step that mends it; null when nothing is wrong. */
  readonly fix: string | null;
}

export const ok = (check: string, message: string): Finding => ({ check, state: 'ok', message, fix: null });
export const skip = (check: string, message: string): Finding => ({
  check,
  state: 'skip',
  message,
  fix: null,
});
export const warn = (check: string, message: string, fix: string): Finding => ({
  check,
  state: 'warn',
  message,
  fix,
});
export const bad = (check: string, message: string, fix: string): Finding => ({
  check,
  state: 'bad',
  message,
  fix,
});
