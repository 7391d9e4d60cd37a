import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { type ErrorCode, GatewayError } from '../errors.ts';
import { childScript } from './find.ts';
import type { TuneError, TuneJob, TuneMessage, TuneReport } from './job.ts';

/** What the child may allocate, on Linux, and how much of it is JavaScript's own heap. */
const MAX_BYTES = 1024 ** 3;
const NODE_FLAGS = ['--max-old-space-size=384', '--max-semi-space-size=8', '--v8-pool-size=1'];
/** Limits that a process cannot set for itself in Node; it is the first to go when memory runs out. */
const LIMITED = 'ulimit -d "$0"; echo 900 >/proc/self/oom_score_adj; exec "$@"';
const PASSED_ON = ['HOME', 'PATH', 'TMPDIR', 'LANG', 'LD_LIBRARY_PATH'] as const;
/** Of what the child wrote on standard error, for the message. */
const KEPT_ERROR = 2000;

/** Runs a job in a child of the lowest priority. Rejects with the child's coded error, or TUNE_FAILED when it ended. */
export async function runChild(
  job: TuneJob,
  signal: AbortSignal,
  onProgress: (share: number, note: string) => void,
): Promise<TuneReport> {
  const child = start();
  const abort = (): void => void child.kill('SIGKILL');
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  let errors = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(-KEPT_ERROR);
  });
  let last: TuneMessage | undefined;
  const lines = createInterface({ input: child.stdio[3] as Readable });
  lines.on('line', (line) => {
    const message = JSON.parse(line) as TuneMessage;
    if (message.kind === 'progress') onProgress(message.share, message.note);
    else last = message;
  });
  // A child that is gone before it has read its job is told by its end.
  child.stdin!.on('error', () => undefined);
  child.stdin!.write(`${JSON.stringify(job)}\n`);
  try {
    const [code, killed] = await ended(child);
    if (last?.kind === 'done') return last.report;
    if (last?.kind === 'failed') throw errorOf(last.error);
    const how = killed === null ? `with exit code ${code}` : `by ${killed}`;
    throw new GatewayError('TUNE_FAILED', `the process that tunes was ended ${how}`, {
      ...(errors === '' ? {} : { received: errors.trim() }),
    });
  } finally {
    signal.removeEventListener('abort', abort);
    child.stdin!.destroy();
  }
}

function start(): ChildProcess {
  const command = [process.execPath, ...NODE_FLAGS, childScript()];
  const env: NodeJS.ProcessEnv = {};
  for (const name of PASSED_ON) if (process.env[name] !== undefined) env[name] = process.env[name];
  const options: SpawnOptions = { stdio: ['pipe', 'ignore', 'pipe', 'pipe'], env };
  if (process.platform !== 'linux') return spawn(command[0]!, command.slice(1), options);
  return spawn('/bin/sh', ['-c', LIMITED, String(MAX_BYTES / 1024), ...command], options);
}

const ended = (child: ChildProcess): Promise<[number | null, NodeJS.Signals | null]> =>
  new Promise((resolve, reject) => {
    child.once('error', (cause) =>
      reject(new GatewayError('TUNE_FAILED', 'the process that tunes could not be started', { cause })),
    );
    child.once('close', (code, killed) => resolve([code, killed]));
  });

const errorOf = ({ code, message, ...detail }: TuneError): GatewayError =>
  new GatewayError(code as ErrorCode, message, detail);
