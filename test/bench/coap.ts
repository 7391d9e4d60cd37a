/**
 * P5: confirmable CoAP POSTs acknowledged per second ÷ libcoap's example server, which keeps the value in memory.
 * Three servers, each in its own process, in turns: libcoap; our door alone; our door with the journal synced before
 * each acknowledgement. One load generator for all. The figures are ratios of medians; CPU is that of the server.
 * Run: node test/bench/coap.ts [messages per round] [rounds]
 */
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

const MESSAGES = Number(process.argv[2] ?? 50_000);
const ROUNDS = Number(process.argv[3] ?? 5);
const SOCKETS = 8;
const WINDOW = 16;
const PAYLOAD = 200;
const PATH = 's/temperature/machine-1';
const LIBCOAP_PORT = 25_683;
/** Clock ticks of /proc/<pid>/stat. */
const TICK_US = 10_000;

const run = promisify(execFile);
const libcoap = ['coap-server-notls', 'coap-server-openssl', 'coap-server-gnutls', 'coap-server'].find(
  (name) => spawnSync(name, ['-?']).error === undefined,
);
if (libcoap === undefined) {
  console.error('needs the server of libcoap: apt install libcoap3-bin');
  process.exit(1);
}

interface Server {
  readonly name: string;
  readonly child: ChildProcess;
  readonly port: number;
  readonly rates: number[];
  readonly cpu: number[];
}

async function ours(name: 'door' | 'durable'): Promise<Server> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'coap-server.ts'), name], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [port] = await new Promise<string[]>((resolve) => {
    createInterface({ input: child.stdout! }).once('line', (line) => resolve([line]));
  });
  return { name, child, port: Number(port), rates: [], cpu: [] };
}

function reference(): Server {
  const child = spawn(libcoap!, ['-A', '127.0.0.1', '-p', String(LIBCOAP_PORT), '-d', '10'], {
    stdio: 'ignore',
  });
  return { name: 'libcoap', child, port: LIBCOAP_PORT, rates: [], cpu: [] };
}

function cpuTicks(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

async function load(server: Server, messages: number): Promise<{ rate: number; acknowledged: number }> {
  const settings = [server.port, PATH, 50, PAYLOAD, messages, SOCKETS, WINDOW].map(String);
  const { stdout } = await run(process.execPath, [join(import.meta.dirname, 'coap-load.ts'), ...settings]);
  return JSON.parse(stdout) as { rate: number; acknowledged: number };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}

const servers = [reference(), await ours('door'), await ours('durable')];
try {
  for (const server of servers) await load(server, Math.min(MESSAGES, 30_000));
  for (let round = 1; round <= ROUNDS; round += 1) {
    for (const server of servers) {
      const before = cpuTicks(server.child.pid!);
      const { rate, acknowledged } = await load(server, MESSAGES);
      const cpu = ((cpuTicks(server.child.pid!) - before) * TICK_US) / MESSAGES;
      if (acknowledged !== MESSAGES)
        throw new Error(`${server.name} acknowledged ${acknowledged} of ${MESSAGES}`);
      server.rates.push(Math.round(rate));
      server.cpu.push(cpu);
      console.error(
        `round ${round} ${server.name.padEnd(8)} ${Math.round(rate)} /s  ${cpu.toFixed(1)} µs CPU`,
      );
    }
  }
} finally {
  for (const { child } of servers) child.kill('SIGTERM');
}

const [libcoapServer, door, durable] = servers as [Server, Server, Server];
const ratio = (server: Server) => Number((median(server.rates) / median(libcoapServer.rates)).toFixed(2));
const cpuRatio = (server: Server) => Number((median(libcoapServer.cpu) / median(server.cpu)).toFixed(2));
console.log(
  JSON.stringify(
    {
      target: 'P5',
      node: process.version,
      reference: libcoap,
      cores: cpus().length,
      load: loadavg().map((l) => Number(l.toFixed(2))),
      messages: MESSAGES,
      payload: PAYLOAD,
      sockets: SOCKETS,
      window: WINDOW,
      rates: Object.fromEntries(servers.map((s) => [s.name, s.rates])),
      cpuMicroseconds: Object.fromEntries(
        servers.map((s) => [s.name, s.cpu.map((c) => Number(c.toFixed(1)))]),
      ),
      ratio: { door: ratio(door), durable: ratio(durable) },
      cpuRatio: { door: cpuRatio(door), durable: cpuRatio(durable) },
    },
    null,
    2,
  ),
);
