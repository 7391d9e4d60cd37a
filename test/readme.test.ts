import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROOT } from './support/gateway-process.ts';
import { until } from './support/until.ts';

const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
const commands = [...readme.matchAll(/^```sh\n([\s\S]*?)^```/gm)].flatMap(([, block]) =>
  block!.split('\n').filter((line) => line.length > 0),
);
/** What installs and tests the project is run by .ci/run itself, on a fresh clone. */
const BY_CI = ['npm ci', 'npm start', 'npm run check', 'npm test'];

describe('README', () => {
  let demo: ChildProcess;
  let output = '';
  /** Stands for `data` and the current folder, so that nobody's own demo is touched. */
  const folder = mkdtempSync(join(tmpdir(), 'aimx-readme-'));
  // Started by root, flows run as a user who must be able to pass through.
  chmodSync(folder, 0o711);

  beforeAll(async () => {
    demo = spawn(process.execPath, ['gateway/main.ts', 'demo', '--data', join(folder, 'demo')], {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    demo.stdout!.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    await until(
      () => output.includes('everything works') && output.includes('first result of room-comfort'),
      'results, an aggregate upstream and a batch',
      60_000,
    );
  }, 70_000);

  afterAll(async () => {
    const gone = new Promise((done) => demo.once('exit', done));
    demo.kill('SIGINT');
    await gone;
    rmSync(folder, { recursive: true, force: true });
  }, 20_000);

  it.each(BY_CI)('%s is in the script that CI runs', (command) => {
    expect(commands).toContain(command);
    expect(readFileSync(join(ROOT, '.ci/run'), 'utf8').replaceAll(' --silent', '')).toContain(command);
  });

  it.each(commands.filter((command) => !BY_CI.includes(command)))(
    '%s',
    (command) => {
      const program = command.split(' ')[0]!;
      if (spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0) {
        console.warn(`skipped: ${program} is not installed`);
        return;
      }
      const { status, stdout, stderr } = spawnSync('sh', ['-c', moved(command)], {
        cwd: ROOT,
        encoding: 'utf8',
        timeout: 80_000,
        env: { ...process.env, PATH: `${join(ROOT, 'node_modules/.bin')}:${process.env.PATH}` },
      });
      expect(status, `${stdout}\n${stderr}`).toBe(0);
      if (program !== 'mosquitto_pub') expect(stdout.length).toBeGreaterThan(0);
    },
    90_000,
  );

  it('gives a reason for each dependency, and for no other', () => {
    const { dependencies, optionalDependencies, devDependencies } = JSON.parse(
      readFileSync(join(ROOT, 'package.json'), 'utf8'),
    ) as Record<string, Record<string, string>>;
    const table = readme.slice(readme.indexOf('| package |'));
    const rows = [...table.matchAll(/^\| (`[^|]+) \|/gm)].map(([, cell]) => cell!);
    const named = rows.flatMap((cell) => {
      const names = [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name!);
      const scope = names[0]!.startsWith('@ethereumjs/') ? '@ethereumjs/' : '';
      return names.map((name) => (name.includes('/') || scope === '' ? name : scope + name));
    });
    const used = Object.keys({ ...dependencies, ...optionalDependencies, ...devDependencies });
    expect(named.filter((name) => name !== 'node:sqlite').sort()).toEqual(used.sort());
  });

  it('names only files that exist', () => {
    for (const [, target] of readme.matchAll(/\]\(([^)#:]+)\)/g)) {
      expect(existsSync(join(ROOT, target!)), target).toBe(true);
    }
  });

  /** The same command for the ports this demo got, when the usual ones were busy. */
  function moved(command: string): string {
    const port = (scheme: string): string =>
      new RegExp(`${scheme}://127\\.0\\.0\\.1:(\\d+)`).exec(output)![1]!;
    return command
      .replaceAll('data/demo', join(folder, 'demo'))
      .replaceAll('./my-gateway', join(folder, 'my-gateway'))
      .replace('-p 1883', `-p ${port('mqtt')}`)
      .replace('coap://127.0.0.1/', `coap://127.0.0.1:${port('coap')}/`)
      .replace('127.0.0.1:8080', `127.0.0.1:${port('http')}`);
  }
});
