import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { decryptKey } from '../../gateway/billing/keys/keystore.ts';
import { readLocalApi } from '../../gateway/security/index.ts';
import { ROOT } from '../support/gateway-process.ts';
import { temporaryFolder } from '../support/tmp.ts';

/** Whether this process may make a network of its own, with nothing in it but the loopback interface. */
function canIsolate(): boolean {
  try {
    execFileSync('unshare', ['-n', 'ip', 'link', 'set', 'lo', 'up'], { stdio: 'ignore' });
    return true;
  } catch {
    console.warn('skipped: a network namespace of its own needs root, unshare and ip');
    return false;
  }
}

/** The gateway's own code as the JavaScript engine compiled it, see gateway/system/compile-cache.ts: nothing else may lie there. */
const OWN_CACHE = ['.cache', '.cache/aimx-gateway'];

it.skipIf(!canIsolate())(
  'a whole demo leaves nothing in HOME but its compiled code, tries to reach nobody, and shows no secret anywhere',
  async () => {
    const folder = temporaryFolder();
    const home = join(folder, 'home');
    const data = join(folder, 'data');
    mkdirSync(home);
    const { ORT_DISABLE_TELEMETRY: _, ...inherited } = process.env;
    const words = ['gateway/main.ts', 'demo', '--fresh', '--debug', '--data', data];
    const demo = spawn(
      'unshare',
      [
        ...['-n', 'sh', '-c', 'ip link set lo up && exec "$0" "$@"', process.execPath],
        ...words,
        ...['--until-first-batch', '--timeout', '60s'],
      ],
      { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'], env: { ...inherited, HOME: home } },
    );
    onTestFinished(() => void demo.kill('SIGKILL'));
    const output = collect(demo);
    let ended: number | null | undefined;
    const gone = new Promise<number | null>((done) => demo.once('exit', done)).then((code) => {
      ended = code;
    });
    const seen: string[] = [];
    const scraped: string[] = [];
    let network = '';
    let token: string | undefined;
    while (ended === undefined) {
      await Promise.race([gone, new Promise((done) => setTimeout(done, 250))]);
      network = read(`/proc/${demo.pid}/net/snmp`) + read(`/proc/${demo.pid}/net/snmp6`) || network;
      token ??= readLocalApi(data)?.token;
      for (const pid of family(demo.pid!)) {
        seen.push(read(`/proc/${pid}/cmdline`), read(`/proc/${pid}/environ`));
      }
      if (scraped.length < 20 && token !== undefined) scraped.push(metrics(demo.pid!));
    }
    expect(ended, output()).toBe(0);

    const written = readdirSync(home, { recursive: true, encoding: 'utf8' });
    const foreign = written.filter(
      (name) => !OWN_CACHE.includes(name) && !name.startsWith(`${OWN_CACHE.at(-1)}/`),
    );
    expect(foreign).toEqual([]);
    expect(attempts(network), 'packets to somewhere else').toBe(0);

    const passphrase = readFileSync(join(data, 'keys', 'passphrase'), 'utf8').trim();
    const document: unknown = JSON.parse(readFileSync(join(data, 'keys', 'device.json'), 'utf8'));
    const key = Buffer.from(await decryptKey(document, passphrase));
    const secrets = [passphrase, key.toString('hex'), key.toString('base64'), token!];
    expect(secrets.every((secret) => secret.length >= 16)).toBe(true);
    expect(scraped.some((text) => text.includes('process_resident_memory_bytes'))).toBe(true);
    const shown = [output(), ...seen, ...scraped].join('\n');
    for (const name of readdirSync(data, { recursive: true, encoding: 'utf8' })) {
      const file = join(data, name);
      if (!statSync(file).isFile()) continue;
      if (name.startsWith('keys/')) {
        expect(statSync(file).mode & 0o077, name).toBe(0);
        continue;
      }
      const content = readFileSync(file);
      for (const secret of [...secrets, key]) expect(content.includes(secret), name).toBe(false);
    }
    for (const secret of secrets) expect(shown.includes(secret)).toBe(false);
  },
  90_000,
);

function collect(child: ChildProcess): () => string {
  let text = '';
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
  }
  return () => text;
}

/** Empty when the process is gone. */
function read(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}

/** A process and all that came of it. */
function family(pid: number): number[] {
  const children = read(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean).map(Number);
  return [pid, ...children.flatMap(family)];
}

/** Metrics of the gateway in the network of `pid`. */
function metrics(pid: number): string {
  const script = "fetch('http://127.0.0.1:8080/metrics').then((r) => r.text()).then(console.log, () => {})";
  try {
    return execFileSync('nsenter', ['-n', '-t', `${pid}`, process.execPath, '-e', script], {
      encoding: 'utf8',
    });
  } catch {
    return '';
  }
}

/** How often the kernel was asked for a way to an address, and there was none but loopback. */
function attempts(network: string): number {
  const [names, values] = [...network.matchAll(/^Ip: (.*)$/gm)].map(([, words]) => words!.split(' '));
  const v4 = Number(values![names!.indexOf('OutNoRoutes')]);
  const v6 = Number(/^Ip6OutNoRoutes\s+(\d+)/m.exec(network)?.[1]);
  return v4 + v6;
}
