import { readFileSync, statSync } from 'node:fs';
import { GatewayError } from '../../errors.ts';
import type { OutputStream } from './ui.ts';

/** The part of `process.stdin` that reading a secret needs. */
export interface InputStream extends AsyncIterable<Uint8Array | string> {
  readonly isTTY?: boolean;
  setRawMode?(raw: boolean): unknown;
}

const LONGEST = 4096;
const ENTER = /[\r\n]/;
const INTERRUPT = '\u0003';
const END = '\u0004';
const ERASE_LINE = '\u0015';
const BACKSPACE = new Set(['\u007f', '\b']);

/** A secret in a file that only its owner may read. @throws GatewayError SECRET_FILE */
export function secretFromFile(file: string): string {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (!stat?.isFile()) throw new GatewayError('SECRET_FILE', `there is no file ${file}`);
  if ((stat.mode & 0o077) !== 0 && process.platform !== 'win32')
    throw new GatewayError('SECRET_FILE', `others may read ${file}`, { expected: 'mode 0400 or 0600' });
  return firstLine(readFileSync(file, 'utf8'));
}

/**
 * A secret typed by a person, not shown while it is typed, or the first line that another program sends.
 * @throws GatewayError USAGE when nothing comes, or the person gives up
 */
export async function askSecret(prompt: string, stdin: InputStream, screen: OutputStream): Promise<string> {
  if (stdin.isTTY !== true) return firstLine(await everything(stdin));
  screen.write(prompt);
  stdin.setRawMode?.(true);
  try {
    return await typed(stdin);
  } finally {
    stdin.setRawMode?.(false);
    screen.write('\n');
  }
}

async function typed(stdin: InputStream): Promise<string> {
  let text: string[] = [];
  const decoder = new TextDecoder();
  for await (const chunk of keepOpen(stdin)) {
    for (const key of typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true })) {
      if (ENTER.test(key)) return text.join('');
      if (key === INTERRUPT || key === END) throw new GatewayError('USAGE', 'given up, nothing was changed');
      if (key === ERASE_LINE) text = [];
      else if (BACKSPACE.has(key)) text.pop();
      else if (key >= ' ' && text.length < LONGEST) text.push(key);
    }
  }
  throw new GatewayError('USAGE', 'the terminal ended before a password was typed');
}

/** Leaves the stream open for the next question. */
const keepOpen = (stdin: InputStream): AsyncIterable<Uint8Array | string> =>
  'iterator' in stdin && typeof stdin.iterator === 'function'
    ? (stdin.iterator as (options: object) => AsyncIterable<Uint8Array>)({ destroyOnReturn: false })
    : stdin;

async function everything(stdin: InputStream): Promise<string> {
  let text = '';
  const decoder = new TextDecoder();
  for await (const chunk of stdin) {
    text += typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true });
    if (text.length > LONGEST) throw new GatewayError('USAGE', 'that is too long for a password');
  }
  if (text === '') throw new GatewayError('USAGE', 'no password came on standard input');
  return text;
}

const firstLine = (text: string): string => text.split(/\r?\n/, 1)[0]!;
