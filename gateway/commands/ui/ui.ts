import { createProgress, type Progress } from './progress.ts';
import { createStyle, type Style } from './style.ts';

export interface OutputStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** The two streams of a command: results go to standard output, everything else to standard error. */
export interface Ui {
  readonly style: Style;
  readonly errorStyle: Style;
  /** Whether a person is looking at the results. */
  readonly terminal: boolean;
  /** A line of results. */
  out(text: string): void;
  /** A line for the person at the terminal: warnings, hints, errors. */
  note(text: string): void;
  progress(label: string, total: number): Progress;
}

export function createUi(stdout: OutputStream, stderr: OutputStream, env: NodeJS.ProcessEnv): Ui {
  return {
    style: createStyle(stdout, env),
    errorStyle: createStyle(stderr, env),
    terminal: stdout.isTTY === true,
    out: (text) => void stdout.write(`${text}\n`),
    note: (text) => void stderr.write(`${text}\n`),
    progress: (label, total) => createProgress({ label, total, stream: stderr }),
  };
}
