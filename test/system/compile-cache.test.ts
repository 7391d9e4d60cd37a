import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { ROOT } from '../support/gateway-process.ts';
import { temporaryFolder } from '../support/tmp.ts';

interface Outcome {
  /** Where node keeps compiled code. */
  readonly used: string | null;
  /** What processes that this one starts would use. */
  readonly handedOn: string | null;
}

/** What `keepCompiledCode` does in a process with this environment. */
function keep(env: Record<string, string>): Outcome {
  const script = join(temporaryFolder(), 'keep.mjs');
  const file = pathToFileURL(join(ROOT, 'gateway/system/compile-cache.ts')).href;
  writeFileSync(
    script,
    `import { getCompileCacheDir } from 'node:module';
    import { keepCompiledCode } from ${JSON.stringify(file)};
    keepCompiledCode(process.env);
    const answer = { used: getCompileCacheDir() ?? null, handedOn: process.env.NODE_COMPILE_CACHE ?? null };
    console.log(JSON.stringify(answer));`,
  );
  const { stdout, stderr, status } = spawnSync(process.execPath, [script], { encoding: 'utf8', env });
  expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
  return JSON.parse(stdout) as Outcome;
}

describe('compiled code', () => {
  it('is kept where systemd says, and those it starts use the same', () => {
    const folder = temporaryFolder();
    const { used, handedOn } = keep({ CACHE_DIRECTORY: `${folder}:/elsewhere`, XDG_CACHE_HOME: '/nowhere' });
    expect(handedOn).toBe(folder);
    expect(used?.startsWith(folder)).toBe(true);
    expect(readdirSync(folder)).not.toEqual([]);
  });

  it('is kept in the cache folder of the user otherwise', () => {
    const folder = temporaryFolder();
    const own = join(folder, 'aimx-gateway');
    expect(keep({ XDG_CACHE_HOME: folder }).handedOn).toBe(own);
    expect(statSync(own).isDirectory()).toBe(true);
    expect(keep({ HOME: folder }).handedOn).toBe(join(folder, '.cache/aimx-gateway'));
  });

  it('is left to who set it up, or turned it off', () => {
    const folder = temporaryFolder();
    const theirs = keep({ NODE_COMPILE_CACHE: join(folder, 'theirs'), XDG_CACHE_HOME: folder });
    expect(theirs.handedOn).toBe(join(folder, 'theirs'));
    expect(keep({ NODE_DISABLE_COMPILE_CACHE: '1', XDG_CACHE_HOME: folder })).toEqual({
      used: null,
      handedOn: null,
    });
    expect(existsSync(join(folder, 'aimx-gateway'))).toBe(false);
  });

  it('is not kept where there is no place for it', () => {
    const file = join(temporaryFolder(), 'file');
    writeFileSync(file, '');
    expect(keep({ XDG_CACHE_HOME: file })).toEqual({ used: null, handedOn: null });
    expect(keep({ XDG_CACHE_HOME: 'relative' })).toEqual({ used: null, handedOn: null });
  });
});
