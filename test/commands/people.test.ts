import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { runCli } from '../../gateway/commands/cli.ts';
import { Identities } from '../../gateway/security/identities.ts';
import { verifySecret } from '../../gateway/security/secrets.ts';
import { recordingTerminal } from '../support/terminal.ts';
import { temporaryFolder } from '../support/tmp.ts';

function site(): string {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'gateway.yaml'), 'streams:\n  - { id: a }\n');
  return folder;
}

/** @param keys what comes through a pipe, or is typed at each question */
async function run(argv: string[], cwd: string, keys: string[] = [], typed = false) {
  const terminal = recordingTerminal(cwd);
  const modes: boolean[] = [];
  const stdin = Object.assign(new PassThrough(), {
    isTTY: typed,
    setRawMode: (raw: boolean) => modes.push(raw),
  });
  if (!typed) stdin.end(keys.join(''));
  const stderr = {
    isTTY: false,
    write(text: string) {
      terminal.stderr.write(text);
      if (text.endsWith(': ')) stdin.write(keys.shift() ?? '');
    },
  };
  const code = await runCli(['people', ...argv], { ...terminal, stderr, stdin });
  return { code, out: terminal.out(), err: terminal.err(), modes };
}

const knows = async (folder: string, name: string, password: string): Promise<boolean> =>
  verifySecret(new Identities(join(folder, 'data')).person(name)!.secret, password);

describe('people', () => {
  it('adds with a password from a pipe or a private file, lists, changes and removes', async () => {
    const folder = site();
    expect(await run(['add', 'ann', '--role', 'admin'], folder, ['four words of hers\n'])).toMatchObject({
      code: 0,
    });
    expect(await knows(folder, 'ann', 'four words of hers')).toBe(true);
    const file = join(folder, 'password');
    writeFileSync(file, 'another four words\n', { mode: 0o600 });
    expect(await run(['add', 'bob', '--password-file', file], folder)).toMatchObject({ code: 0 });
    expect(await knows(folder, 'bob', 'another four words')).toBe(true);
    const listed = JSON.parse((await run(['list', '--json'], folder)).out);
    expect(listed).toMatchObject([
      { name: 'ann', role: 'admin' },
      { name: 'bob', role: 'viewer' },
    ]);
    expect(await run(['password', 'bob'], folder, ['yet another four words\n'])).toMatchObject({ code: 0 });
    expect(await knows(folder, 'bob', 'yet another four words')).toBe(true);
    expect(await run(['remove', 'bob'], folder)).toMatchObject({ code: 0 });
    expect(await run(['remove', 'ann'], folder)).toMatchObject({
      code: 1,
      err: expect.stringContaining('last admin'),
    });
    expect(readFileSync(join(folder, 'data/identities.json'), 'utf8')).not.toContain('words');
  });

  it('asks at a terminal twice, showing nothing', async () => {
    const folder = site();
    const keys = ['fourx\u007f words of hers\r', 'nonsense\u0015four words of hers\r'];
    const asked = await run(['add', 'ann'], folder, keys, true);
    expect(asked).toMatchObject({ code: 0, modes: [true, false, true, false] });
    expect(asked.err).toBe('Password of ann: \nOnce more: \n');
    expect(await knows(folder, 'ann', 'four words of hers')).toBe(true);
    const differ = await run(['add', 'bob'], folder, ['four words of his\r', 'four words of hers\r'], true);
    expect(differ).toMatchObject({ code: 2, err: expect.stringContaining('differ') });
    const interrupted = await run(['add', 'bob'], folder, ['four\u0003'], true);
    expect(interrupted).toMatchObject({
      code: 2,
      err: expect.stringContaining('given up'),
      modes: [true, false],
    });
  });

  it('takes no weak password, no file that others may read, and nobody twice', async () => {
    const folder = site();
    expect(await run(['add', 'ann'], folder, ['short\n'])).toMatchObject({ code: 1 });
    expect(await run(['add', 'ann'], folder)).toMatchObject({ code: 2 });
    const file = join(folder, 'password');
    writeFileSync(file, 'another four words', { mode: 0o644 });
    const open = await run(['add', 'ann', '--password-file', file], folder);
    expect(open).toMatchObject({ code: 1, err: expect.stringContaining('others may read') });
    await run(['add', 'ann'], folder, ['four words of hers\n']);
    const twice = await run(['add', 'ann'], folder, ['four words of hers\n']);
    expect(twice).toMatchObject({ code: 1, err: expect.stringContaining('people password ann') });
    const unknown = await run(['password', 'nobody'], folder, ['four words of hers\n']);
    expect(unknown).toMatchObject({ code: 1, err: expect.stringContaining('people list') });
    expect((await run(['add', 'bob', '--role', 'king'], folder)).code).toBe(2);
  });
});
