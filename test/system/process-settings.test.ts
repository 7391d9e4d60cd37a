import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { GATEWAY_SETTINGS, type Restartable, restartWith } from '../../gateway/system/process-settings.ts';
import { ROOT } from '../support/gateway-process.ts';
import { temporaryFolder } from '../support/tmp.ts';

const SETTINGS = { flags: ['--max-semi-space-size=8'], env: { MALLOC_TRIM_THRESHOLD_: '131072' } };

function fake(changes: Partial<Restartable> = {}) {
  const calls: { file: string; args: readonly string[]; env: NodeJS.ProcessEnv }[] = [];
  const self: Restartable = {
    platform: 'linux',
    execPath: process.execPath,
    execArgv: [],
    argv: [process.execPath, '/app/main.js', 'start', '--json'],
    env: { HOME: '/home/x' },
    execve: (file, args, env) => void calls.push({ file, args, env }),
    ...changes,
  };
  return { calls, self };
}

describe('settings that only a new process takes', () => {
  it('begins again with them, keeping flags, words and environment', () => {
    const { calls, self } = fake({ execArgv: ['--enable-source-maps'] });
    restartWith(SETTINGS, self);
    expect(calls).toEqual([
      {
        file: process.execPath,
        args: [
          process.execPath,
          '--enable-source-maps',
          '--max-semi-space-size=8',
          '/app/main.js',
          'start',
          '--json',
        ],
        env: { HOME: '/home/x', MALLOC_TRIM_THRESHOLD_: '131072' },
      },
    ]);
  });

  it('does nothing where it has them, from whomever', () => {
    const env = { MALLOC_TRIM_THRESHOLD_: '1' };
    for (const self of [
      { execArgv: ['--max_semi_space_size=64'], env },
      { env: { ...env, NODE_OPTIONS: '--no-warnings --max-semi-space-size=64' } },
    ]) {
      const begun = fake(self);
      restartWith(SETTINGS, begun.self);
      expect(begun.calls).toEqual([]);
    }
  });

  it('goes on as it is where it cannot begin again', () => {
    for (const self of [
      { platform: 'darwin' as const },
      { connected: true },
      { execve: undefined },
      { execPath: '/nowhere/node' },
    ]) {
      const begun = fake(self as Partial<Restartable>);
      restartWith(SETTINGS, begun.self);
      expect(begun.calls).toEqual([]);
    }
  });

  it.runIf(process.platform === 'linux')('is the same process afterwards, and knows the flags', () => {
    const script = join(temporaryFolder(), 'self.mjs');
    const module = pathToFileURL(join(ROOT, 'gateway/system/process-settings.ts')).href;
    writeFileSync(
      script,
      `import { GATEWAY_SETTINGS, restartWith } from ${JSON.stringify(module)};
      console.log(process.pid);
      restartWith(GATEWAY_SETTINGS, process);
      console.log(JSON.stringify([process.execArgv, process.argv.slice(2), process.env.MALLOC_TRIM_THRESHOLD_]));`,
    );
    const { NODE_OPTIONS: _, ...env } = process.env;
    const { stdout, stderr, status } = spawnSync(process.execPath, [script, 'a', 'b c'], {
      encoding: 'utf8',
      env,
    });
    expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
    const [first, second, last] = stdout.trim().split('\n');
    expect(second).toBe(first);
    expect(JSON.parse(last!)).toEqual([
      expect.arrayContaining([...GATEWAY_SETTINGS.flags]),
      ['a', 'b c'],
      GATEWAY_SETTINGS.env.MALLOC_TRIM_THRESHOLD_,
    ]);
  });
});
