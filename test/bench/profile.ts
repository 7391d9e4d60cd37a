/**
 * Where the time of the whole path goes: CPU of each thread per message, and with `--functions N` the functions of the
 * core's main thread (or `--thread writer`) that take most of it, from V8's sampling profiler.
 *
 *   node test/bench/profile.ts [--messages N] [--rounds N] [--devices N] [--burst N] [--rate N] [--functions N]
 *
 * Judge by microseconds of CPU per message: unlike rates they hardly depend on what else the machine does.
 */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { median, rounded } from './figure.ts';
import { bytesWritten, cpuByThread, cpuMicroseconds, family } from './processes.ts';
import { fillWindows, gateway, load, scratch } from './sides.ts';

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '150000' },
    rounds: { type: 'string', default: '3' },
    devices: { type: 'string', default: '10' },
    burst: { type: 'string', default: '32' },
    window: { type: 'string', default: '1000' },
    rate: { type: 'string', default: '0' },
    functions: { type: 'string', default: '0' },
    thread: { type: 'string', default: 'main' },
  },
});
const messages = Number(values.messages);
const devices = Number(values.devices);
const functions = Number(values.functions);

/** A profile as V8 writes it; times in microseconds of the monotonic clock. */
interface Profile {
  readonly startTime: number;
  readonly nodes: readonly {
    readonly id: number;
    readonly children?: readonly number[];
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

const tasks: (() => unknown)[] = [];
const context = {
  quick: false,
  say: console.log,
  cleanUp: (task: () => unknown) => void tasks.unshift(task),
};
const folder = scratch(context);
mkdirSync(join(folder, 'profiles'));
const side = await gateway(context, {
  env:
    functions > 0
      ? { NODE_OPTIONS: `--cpu-prof --cpu-prof-interval=250 --cpu-prof-dir=${join(folder, 'profiles')}` }
      : {},
});
const monotonic = (): number => Number(process.hrtime.bigint() / 1000n);
let from = 0;
let to = 0;

try {
  await fillWindows(side, devices);
  const rounds: Record<string, number>[] = [];
  for (let round = 0; round <= Number(values.rounds); round++) {
    rounds.push(await measured());
    console.log(`${round === 0 ? 'warm-up' : `round ${round}`}  ${JSON.stringify(rounds.at(-1))}`);
  }
  rounds.shift();
  const names = Object.keys(rounds[0] ?? {});
  console.log(
    Object.fromEntries(names.map((name) => [name, rounded(median(rounds.map((one) => one[name] ?? 0)))])),
  );
} finally {
  if (functions > 0) await side.stop();
  try {
    if (functions > 0) report();
  } finally {
    for (const task of tasks) await task();
  }
}

/** One run of the load: microseconds per message by thread, messages per second, bytes written per payload byte. */
async function measured(): Promise<Record<string, number>> {
  const host = family(side.pid).slice(1);
  const threads = cpuByThread(side.pid);
  const all = family(side.pid).reduce((sum, pid) => sum + cpuMicroseconds(pid), 0);
  const hostBefore = host.reduce((sum, pid) => sum + cpuMicroseconds(pid), 0);
  const written = bytesWritten(side.pid);
  from = monotonic();
  const { rate, ackUs, deliveryUs } = await load({
    port: side.ports.mqtt,
    publishers: Math.min(devices, 100),
    devices,
    burst: Number(values.burst),
    window: Number(values.window),
    rate: Number(values.rate),
    topic: 'aimx/s/load0/dev{d}',
    subscribe: 'aimx/result/#',
    messages,
    expectDelivered: messages,
  });
  to = monotonic();
  const after = cpuByThread(side.pid);
  const result: Record<string, number> = {
    all: family(side.pid).reduce((sum, pid) => sum + cpuMicroseconds(pid), 0) - all,
    host: host.reduce((sum, pid) => sum + cpuMicroseconds(pid), 0) - hostBefore,
  };
  for (const [thread, micros] of Object.entries(after)) {
    const name = nameOf(thread);
    result[name] = (result[name] ?? 0) + micros - (threads[thread] ?? 0);
  }
  for (const name in result) result[name] = rounded(result[name]! / messages);
  return {
    ...result,
    rate,
    ackMsP50: rounded(ackUs.p50 / 1000),
    ...(deliveryUs ? { p50Ms: rounded(deliveryUs.p50 / 1000), p99Ms: rounded(deliveryUs.p99 / 1000) } : {}),
    written: rounded((bytesWritten(side.pid) - written) / (messages * 200)),
  };
}

function nameOf(thread: string): string {
  const [name = '', id] = thread.split('/');
  if (Number(id) === side.pid) return 'main';
  if (name.startsWith('V8Worker')) return 'v8';
  if (name.includes('writer') || name === 'WorkerThread') return 'writer';
  return name;
}

function textOf({ functionName, url, lineNumber }: Profile['nodes'][number]['callFrame']): string {
  const place = url.split('/').slice(-2).join('/');
  return `${functionName || '(anonymous)'}${place === '' ? '' : ` ${place}:${lineNumber + 1}`}`;
}

/** The functions with most time of their own while the last round ran. */
function report(): void {
  const dir = join(folder, 'profiles');
  const files = readdirSync(dir).filter((file) => file.includes(`.${side.pid}.`));
  const wanted = files.filter((file) => /\.0\.\d+\.cpuprofile$/.test(file) === (values.thread === 'main'));
  for (const file of wanted) {
    const profile = JSON.parse(readFileSync(join(dir, file), 'utf8')) as Profile;
    const frames = new Map(profile.nodes.map((node) => [node.id, node.callFrame]));
    const callers = new Map(
      profile.nodes.flatMap((node) => (node.children ?? []).map((id) => [id, node.callFrame])),
    );
    const self = new Map<string, number>();
    let time = profile.startTime;
    for (let i = 0; i < profile.samples.length; i++) {
      const delta = profile.timeDeltas[i]!;
      time += delta;
      if (time < from || time > to) continue;
      const frame = frames.get(profile.samples[i]!)!;
      const caller = frame.url === '' ? callers.get(profile.samples[i]!) : undefined;
      const name = caller === undefined ? textOf(frame) : `${textOf(frame)} < ${textOf(caller)}`;
      self.set(name, (self.get(name) ?? 0) + delta);
    }
    console.log(`\n${file}: own time, µs per message`);
    for (const [name, micros] of [...self].sort((a, b) => b[1] - a[1]).slice(0, functions))
      console.log(`${(micros / messages).toFixed(3).padStart(8)}  ${name}`);
  }
}
