import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runCli } from '../../gateway/commands/cli.ts';
import type { CommandContext } from '../../gateway/commands/command.ts';
import { GatewayError } from '../../gateway/errors.ts';
import { recordingTerminal } from '../support/terminal.ts';
import { temporaryFolder } from '../support/tmp.ts';

const MAIN = new URL('../../gateway/main.ts', import.meta.url).pathname;

async function run(argv: string[], cwd = '/tmp'): Promise<{ code: number; out: string; err: string }> {
  const terminal = recordingTerminal(cwd);
  const code = await runCli(argv, terminal);
  return { code, out: terminal.out(), err: terminal.err() };
}

describe('the command line', () => {
  it('lists its commands, and is a usage error without one', async () => {
    expect(await run(['--help'])).toMatchObject({ code: 0, out: expect.stringContaining('check') });
    expect((await run([])).code).toBe(2);
    expect((await run(['help', 'check'])).out).toContain('--explain');
    expect((await run(['check', '--help'])).out).toContain('--schema');
    expect((await run(['--version'])).out).toMatch(/^\d+\.\d+\.\d+/);
  });

  it('guesses what was meant', async () => {
    const command = await run(['chekc']);
    expect(command.code).toBe(2);
    expect(command.err).toContain('Did you mean `aimx-gateway check`?');
    const option = await run(['check', '--explian']);
    expect(option.code).toBe(2);
    expect(option.err).toContain('Did you mean --explain?');
  });

  it('prints code, message, received, expected and fix, and a stack only with --debug', async () => {
    const failing = [
      {
        name: 'fail',
        summary: 'fails',
        load: async () => ({
          name: 'fail',
          summary: 'fails',
          usage: ['fail'],
          run: async (context: CommandContext) => {
            if (context.positionals[0] === 'hard') throw new TypeError('x is not a function');
            throw new GatewayError('STOPPING', 'it stops', { received: 'a', expected: 'b', fix: 'c' });
          },
        }),
      },
    ];
    const go = async (argv: string[]) => {
      const terminal = recordingTerminal('/tmp');
      return { code: await runCli(argv, terminal, failing), out: terminal.out(), err: terminal.err() };
    };
    const plain = await go(['fail']);
    expect(plain.code).toBe(1);
    expect(plain.err).toBe('STOPPING: it stops\n  received: a\n  expected: b\n  fix:      c\n');
    const hard = await go(['fail', 'hard']);
    expect(hard.err).not.toContain('cli.test.ts');
    expect((await go(['fail', 'hard', '--debug'])).err).toContain('cli.test.ts');
    expect(JSON.parse((await go(['fail', '--json'])).out)).toMatchObject({
      error: { code: 'STOPPING', fix: 'c' },
    });
  });

  it('runs as a program', () => {
    const result = spawnSync(process.execPath, [MAIN, 'check', '--config', '/nowhere/gateway.yaml'], {
      encoding: 'utf8',
    });
    expect(result.status).toBe(2);
    expect(result.stderr).toContain('CONFIG_UNREADABLE');
    expect(result.stderr).not.toContain('    at ');
  });
});

describe('check', () => {
  it('prints every problem with its place and exits 2', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'gateway.yaml'), 'gatewy: {}\nstreams:\n  - { id: a, decode: jsn }\n');
    const text = await run(['check'], folder);
    expect(text.code).toBe(2);
    expect(text.err).toContain(`${folder}/gateway.yaml:1:1: error: gatewy: unknown key`);
    expect(text.err).toContain(`${folder}/gateway.yaml:3:22: error: streams[0].decode`);
    const json = await run(['check', '--json'], folder);
    expect(json.code).toBe(2);
    expect(JSON.parse(json.out).issues.map((i: { line: number }) => i.line)).toEqual([1, 3]);
  });

  it('explains a valid file and prints the schema', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'gateway.yaml'), 'streams:\n  - { id: a }\n');
    const text = await run(['check', '--explain'], folder);
    expect(text.code).toBe(0);
    expect(text.out).toContain('aimx/s/a/{device}');
    expect(JSON.parse((await run(['check', '--json', '--explain'], folder)).out).plan.streams[0].id).toBe(
      'a',
    );
    expect(JSON.parse((await run(['check', '--schema'])).out).properties.streams).toBeDefined();
  });
});
