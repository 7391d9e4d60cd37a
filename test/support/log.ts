import type { Log } from '../../gateway/ports/log.ts';

export interface RecordedLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly fields: object;
  readonly message: string;
}

/** A log that keeps its lines, so that a test can look at them. */
export function recordingLog(lines: RecordedLine[] = []): Log & { readonly lines: RecordedLine[] } {
  const at = (level: RecordedLine['level']) => (fields: object, message: string) => {
    lines.push({ level, fields, message });
  };
  return {
    lines,
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: () => recordingLog(lines),
  };
}
