/** Colours that stay away from pipes, from `NO_COLOR` (no-color.org) and from terminals that cannot show them. */
export interface Style {
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
  cyan(text: string): string;
}

/** @param env `NO_COLOR` set to anything but nothing turns colours off; `FORCE_COLOR` turns them on for a pipe */
export function createStyle(stream: { isTTY?: boolean }, env: NodeJS.ProcessEnv): Style {
  const forced = env.FORCE_COLOR !== undefined && env.FORCE_COLOR !== '0';
  const capable = (stream.isTTY === true && env.TERM !== 'dumb') || forced;
  const on = capable && (env.NO_COLOR ?? '') === '';
  const paint = (code: number, end: number) => (text: string) =>
    on ? `\u001b[${code}m${text}\u001b[${end}m` : text;
  return {
    bold: paint(1, 22),
    dim: paint(2, 22),
    red: paint(31, 39),
    green: paint(32, 39),
    yellow: paint(33, 39),
    cyan: paint(36, 39),
  };
}
