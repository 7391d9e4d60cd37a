import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { until } from '../support/until.ts';

const LOG = join(import.meta.dirname, '../../gateway/system/log.ts');
const LINES = 40_000;

/** Logs in bursts, says on standard output when it is through, and ends after one more line. */
const PROGRAM = `
import { createLog } from ${JSON.stringify(LOG)};
const log = createLog({ level: 'info' });
for (let i = 0; i < ${LINES}; i++) {
  log.info({ i }, 'x'.repeat(100));
  if (i % 100 === 0) await new Promise((done) => setImmediate(done));
}
console.log('through');
process.stdin.once('data', () => {
  log.info({}, 'the end');
  process.stdin.destroy();
});
`;

function program(): {
  child: ReturnType<typeof spawn>;
  through: Promise<void>;
  gone: Promise<number | null>;
} {
  const child = spawn(process.execPath, ['--input-type=module', '-e', PROGRAM], { stdio: 'pipe' });
  const through = new Promise<void>((done) => child.stdout!.once('data', () => done()));
  const gone = new Promise<number | null>((done) => child.once('close', (code) => done(code)));
  return { child, through, gone };
}

test('goes on when nobody reads its log, and says later what is missing', async () => {
  const { child, through, gone } = program();
  await through;
  let text = '';
  let heard = 0;
  child.stderr!.on('data', (chunk: Buffer) => {
    text += chunk.toString();
    heard = performance.now();
  });
  // What waited is read, so what is logged now gets through.
  await until(() => heard > 0 && performance.now() - heard > 300, 'quiet');
  child.stdin!.end('x');
  expect(await gone).toBe(0);
  const lines = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { i?: number; dropped?: number; msg: string });
  const dropped = lines.reduce((sum, line) => sum + (line.dropped ?? 0), 0);
  expect(dropped).toBeGreaterThan(0);
  expect(lines.filter(({ i }) => i !== undefined).length + dropped).toBe(LINES);
  expect(lines.at(-1)!.msg).toBe('the end');
});

test('ends in time when nobody ever reads its log', async () => {
  const { child, through, gone } = program();
  await through;
  child.stdin!.end('x');
  child.stderr!.destroy();
  expect(await gone).toBe(0);
});
